/* A step of SOAP for all tensors of a network; soap.py is the same in PyTorch, and says what it is.
 *
 * Compiled by soap_kernel.py. Matrices lie row by row, and inner loops run along rows: what is multiplied by the
 * transpose of a matrix is given a turned copy. One thread, so that sums are rounded alike on any number of cores.
 */

#include <math.h>
#include <string.h>

#include "vectors.h"

#define TERMS 4 /* of a sum, each time that it is loaded and stored */

/* A parameter as a matrix (rows, columns). Of a vector, which gets Adam, the last four are NULL. */
typedef struct {
    long rows, columns;
    float *parameter;
    const float *gradient;
    float *mean, *square;              /* moving averages; `square` in the eigenbases */
    float *left_factor, *left_basis;   /* (rows, rows); a basis has eigenvectors as columns */
    float *right_factor, *right_basis; /* (columns, columns) */
    double rate;
} tensor;

/* to (rows, columns) = a (rows, terms) b (terms, columns); `down` and `right` lead through `a`. */
static void multiply(float *restrict to, const float *restrict a, long down, long right, const float *restrict b,
                     long rows, long terms, long columns)
{
    for (long i = 0; i < rows; i++, a += down, to += columns) {
        const float *row = b;
        long t = 0;
        memset(to, 0, columns * sizeof(float));
        for (; t + TERMS <= terms; t += TERMS, row += TERMS * columns)
            for (long j = 0; j < columns; j++)
                to[j] += a[t * right] * row[j] + a[(t + 1) * right] * row[columns + j] +
                         a[(t + 2) * right] * row[2 * columns + j] + a[(t + 3) * right] * row[3 * columns + j];
        for (; t < terms; t++, row += columns)
            for (long j = 0; j < columns; j++)
                to[j] += a[t * right] * row[j];
    }
}

static void turn(float *restrict to, const float *restrict from, long rows, long columns)
{
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

static void approach(float *restrict average, const float *restrict value, long count, float share)
{
    for (long i = 0; i < count; i++)
        average[i] += share * (value[i] - average[i]);
}

/* Rows from `k` on of `a` (n, n), from column `first` on, reflected at the plane across v, which is a column. */
static void reflect(float *restrict a, const float *restrict v, float scale, long n, long k, long first)
{
    float sum[n];
    memset(sum, 0, sizeof(sum));
    for (long i = k; i < n; i++)
        for (long j = first; j < n; j++)
            sum[j] += v[i * n] * a[i * n + j];
    for (long i = k; i < n; i++)
        for (long j = first; j < n; j++)
            a[i * n + j] -= scale * v[i * n] * sum[j];
}

/* q = the Q of a's QR decomposition by Householder's reflections, both (n, n); `a` ends as their vectors. */
static void orthogonalize(float *restrict q, float *restrict a, long n)
{
    float scale[n];
    for (long k = 0; k < n; k++) {
        float square = 0, *v = a + k;
        for (long i = k; i < n; i++)
            square += v[i * n] * v[i * n];
        const float head = v[k * n], length = head > 0 ? sqrtf(square) : -sqrtf(square);
        scale[k] = square > 0 ? 1 / (square + length * head) : 0;
        v[k * n] = head + length;
        reflect(a, v, scale[k], n, k, k + 1);
    }
    memset(q, 0, n * n * sizeof(float));
    for (long i = 0; i < n; i++)
        q[i * n + i] = 1;
    for (long k = n; k--;)
        reflect(q, a + k, scale[k], n, k, k);
}

/* Turns a basis by a power iteration. order[i]: which of its old vectors the i-th belongs to, by eigenvalue. */
static void refresh(const float *factor, float *basis, long n, long *order, float *image, float *sorted)
{
    float value[n];
    multiply(image, factor, n, 1, basis, n, n, n);
    for (long j = 0; j < n; j++) {
        long place = j;
        value[j] = 0;
        for (long i = 0; i < n; i++)
            value[j] += basis[i * n + j] * image[i * n + j];
        for (; place && value[order[place - 1]] < value[j]; place--)
            order[place] = order[place - 1];
        order[place] = j;
    }
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++)
            sorted[i * n + j] = image[i * n + order[j]];
    orthogonalize(basis, sorted, n);
}

static void refresh_both(const tensor *t, float *room, long most)
{
    const long rows = t->rows, columns = t->columns;
    long down[rows], across[columns];
    refresh(t->left_factor, t->left_basis, rows, down, room, room + most);
    refresh(t->right_factor, t->right_basis, columns, across, room, room + most);
    memcpy(room, t->square, rows * columns * sizeof(float));
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            t->square[i * columns + j] = room[down[i] * columns + across[j]];
}

/* `room` holds three of the largest factors; `correction` is Adam's, of both averages. */
void step(const tensor *t, long count, float *room, int is_to_refresh, float share_of_mean, float share_of_square,
          float correction, float epsilon)
{
    for (; count--; t++) {
        const long rows = t->rows, columns = t->columns, size = rows * columns;
        const long most = MAX(rows, columns) * MAX(rows, columns);
        float *first = room, *second = room + most, *third = room + 2 * most, *change = third;
        const float *gradient = t->gradient, *mean = t->mean, *left = t->left_basis, *right = t->right_basis;
        approach(t->mean, gradient, size, share_of_mean);
        if (left) {
            turn(second, gradient, rows, columns);
            multiply(first, gradient, columns, 1, second, rows, columns, rows);
            approach(t->left_factor, first, rows * rows, share_of_square);
            multiply(first, second, rows, 1, gradient, columns, rows, columns);
            approach(t->right_factor, first, columns * columns, share_of_square);
            multiply(second, left, 1, rows, gradient, rows, rows, columns);
            multiply(first, second, columns, 1, right, rows, columns, columns);
            multiply(second, left, 1, rows, mean, rows, rows, columns);
            multiply(third, second, columns, 1, right, rows, columns, columns);
            gradient = first, mean = third;
        }
        for (long i = 0; i < size; i++) {
            t->square[i] += share_of_square * (gradient[i] * gradient[i] - t->square[i]);
            change[i] = correction * mean[i] / (sqrtf(t->square[i]) + epsilon);
        }
        if (left) {
            for (long i = 0; i < size; i++)
                change[i] = MAX(-1, MIN(change[i], 1));
            turn(first, right, columns, columns);
            multiply(second, left, rows, 1, change, rows, rows, columns);
            multiply(change, second, columns, 1, first, rows, columns, columns);
            if (is_to_refresh)
                refresh_both(t, room, most);
        }
        for (long i = 0; i < size; i++)
            t->parameter[i] -= (float)t->rate * change[i];
    }
}
