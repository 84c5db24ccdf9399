// A step of SOAP for all tensors of a network on a graphics processor, a block for each; soap.py is the same in
// PyTorch, and says what it is.
//
// Compiled by soap_cuda.py with THREADS defined. Matrices lie row by row, those of `orthogonalize` column by column, so that a warp
// reads and changes columns on its own.

constexpr int WARPS = THREADS / 32; // of a block
constexpr int TILE = 4; // rows and columns of a product that a thread has at a time
constexpr unsigned ALL = ~0u;

// As in soap.c.
struct tensor {
    long rows, columns;
    float *parameter;
    const float *gradient;
    float *mean, *square;
    float *left_factor, *left_basis;
    float *right_factor, *right_basis;
    double rate;
};

// A matrix, or the transpose of one.
struct matrix {
    const float *at;
    int down, right;
};

static __device__ __forceinline__ void approach(float *average, float value, float share) {
    *average += share * (value - *average);
}

// store(i, j, sum) for every element of a (rows, terms) b (terms, columns).
template <class Store>
static __device__ __forceinline__ void multiply(matrix a, matrix b, int rows, int terms, int columns, Store store) {
    const int down = (rows + TILE - 1) / TILE, across = (columns + TILE - 1) / TILE;
    for (int tile = threadIdx.x; tile < down * across; tile += THREADS) {
        const int top = tile / across * TILE, left = tile % across * TILE;
        const float *row[TILE], *column[TILE];
        float sum[TILE][TILE] = {};
#pragma unroll
        for (int i = 0; i < TILE; i++) {
            row[i] = a.at + min(top + i, rows - 1) * a.down;
            column[i] = b.at + min(left + i, columns - 1) * b.right;
        }
        for (int t = 0; t < terms; t++) {
            float one[TILE], other[TILE];
#pragma unroll
            for (int i = 0; i < TILE; i++) {
                one[i] = row[i][t * a.right];
                other[i] = column[i][t * b.down];
            }
#pragma unroll
            for (int i = 0; i < TILE; i++)
#pragma unroll
                for (int j = 0; j < TILE; j++)
                    sum[i][j] += one[i] * other[j];
        }
#pragma unroll
        for (int i = 0; i < TILE; i++)
#pragma unroll
            for (int j = 0; j < TILE; j++)
                if (top + i < rows && left + j < columns)
                    store(top + i, left + j, sum[i][j]);
    }
}

static __device__ __forceinline__ float sum_of_warp(float value) {
    for (int distance = 16; distance; distance /= 2)
        value += __shfl_xor_sync(ALL, value, distance);
    return value;
}

// Elements from `k` on of the column `a` of n, reflected at the plane across v, whose k-th element is `head`.
static __device__ __forceinline__ void reflect(float *a, const float *v, float head, float scale, int n, int k) {
    const int lane = threadIdx.x % 32;
    float sum = 0;
    for (int i = k + lane; i < n; i += 32)
        sum += (i == k ? head : v[i]) * a[i];
    sum = scale * sum_of_warp(sum);
    for (int i = k + lane; i < n; i += 32)
        a[i] -= sum * (i == k ? head : v[i]);
    __syncwarp();
}

// q = the Q of a's QR decomposition by Householder's reflections, both (n, n), column by column.
static __device__ void orthogonalize(float *q, float *a, int n, float *heads, float *scales) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int k = 0; k < n; k++) {
        const float *v = a + k * n;
        float square = 0;
        for (int i = k + lane; i < n; i += 32)
            square += v[i] * v[i];
        square = sum_of_warp(square);
        const float first = v[k], length = first > 0 ? sqrtf(square) : -sqrtf(square), head = first + length;
        const float scale = square > 0 ? 1 / (square + length * first) : 0;
        if (threadIdx.x == 0)
            heads[k] = head, scales[k] = scale;
        for (int j = k + 1 + warp; j < n; j += WARPS)
            reflect(a + j * n, v, head, scale, n, k);
        __syncthreads();
    }
    for (int j = warp; j < n; j += WARPS) {
        for (int i = lane; i < n; i += 32)
            q[j * n + i] = i == j;
        __syncwarp();
        for (int k = j; k >= 0; k--)
            reflect(q + j * n, a + k * n, heads[k], scales[k], n, k);
    }
    __syncthreads();
}

// Turns a basis by a power iteration. order[i]: which of its old vectors the i-th belongs to, by eigenvalue.
static __device__ void refresh(const float *factor, float *basis, int n, int *order, float *values, float *image,
                               float *sorted) {
    multiply({factor, n, 1}, {basis, n, 1}, n, n, n, [=](int i, int j, float sum) { image[i * n + j] = sum; });
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += THREADS) {
        values[j] = 0;
        for (int i = 0; i < n; i++)
            values[j] += basis[i * n + j] * image[i * n + j];
    }
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += THREADS) {
        int place = 0;
        for (int k = 0; k < n; k++)
            place += values[k] > values[j] || (values[k] == values[j] && k < j);
        order[place] = j;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n * n; i += THREADS)
        sorted[i] = image[i % n * n + order[i / n]];
    __syncthreads();
    orthogonalize(image, sorted, n, values, values + n);
    for (int i = threadIdx.x; i < n * n; i += THREADS)
        basis[i] = image[i % n * n + i / n];
    __syncthreads();
}

static __device__ void refresh_both(const tensor &t, float *room, int most) {
    const int rows = t.rows, columns = t.columns, size = rows * columns;
    float *image = room, *sorted = room + most * most, *values = room + 2 * most * most;
    int *down = (int *)(values + 2 * most), *across = down + most;
    refresh(t.left_factor, t.left_basis, rows, down, values, image, sorted);
    refresh(t.right_factor, t.right_basis, columns, across, values, image, sorted);
    for (int i = threadIdx.x; i < size; i += THREADS)
        image[i] = t.square[i];
    __syncthreads();
    for (int i = threadIdx.x; i < size; i += THREADS)
        t.square[i] = image[down[i / columns] * columns + across[i % columns]];
}

// `room` holds for each tensor 3 matrices of `most` rows and columns; `correction` is Adam's, of both averages.
extern "C" __global__ void __launch_bounds__(THREADS)
step(const tensor *tensors, float *room, int most, int is_to_refresh, float share_of_mean, float share_of_square,
     float correction, float epsilon) {
    const tensor t = tensors[blockIdx.x];
    const int rows = t.rows, columns = t.columns, size = rows * columns;
    const float rate = t.rate, *gradient = t.gradient;
    room += (size_t)blockIdx.x * 3 * most * most;
    float *first = room, *second = room + most * most, *third = room + 2 * most * most;
    for (int i = threadIdx.x; i < size; i += THREADS)
        approach(t.mean + i, gradient[i], share_of_mean);
    // The change of an element, of whose gradient and mean in the eigenbases.
    const auto change = [=](int i, float g, float mean) {
        approach(t.square + i, g * g, share_of_square);
        return correction * mean / (sqrtf(t.square[i]) + epsilon);
    };
    if (!t.left_basis) {
        for (int i = threadIdx.x; i < size; i += THREADS)
            t.parameter[i] -= rate * change(i, gradient[i], t.mean[i]);
        return;
    }
    __syncthreads();
    const matrix g = {gradient, columns, 1}, g_turned = {gradient, 1, columns};
    const matrix left = {t.left_basis, rows, 1}, left_turned = {t.left_basis, 1, rows};
    const matrix right = {t.right_basis, columns, 1}, right_turned = {t.right_basis, 1, columns};
    const auto to = [=](float *place) { return [=](int i, int j, float sum) { place[i * columns + j] = sum; }; };
    multiply(g, g_turned, rows, columns, rows,
             [=](int i, int j, float sum) { approach(t.left_factor + i * rows + j, sum, share_of_square); });
    multiply(g_turned, g, columns, rows, columns,
             [=](int i, int j, float sum) { approach(t.right_factor + i * columns + j, sum, share_of_square); });
    multiply(left_turned, g, rows, rows, columns, to(first));
    multiply(left_turned, {t.mean, columns, 1}, rows, rows, columns, to(second));
    __syncthreads();
    multiply({first, columns, 1}, right, rows, columns, columns, to(third));
    multiply({second, columns, 1}, right, rows, columns, columns, [=](int i, int j, float mean) {
        const int at = i * columns + j; // which this thread gave to `third`
        third[at] = fmaxf(-1.0f, fminf(change(at, third[at], mean), 1.0f));
    });
    __syncthreads();
    multiply(left, {third, columns, 1}, rows, rows, columns, to(first));
    __syncthreads();
    multiply({first, columns, 1}, right_turned, rows, columns, columns, [=](int i, int j, float sum) {
        t.parameter[i * columns + j] -= rate * sum;
    });
    if (is_to_refresh) {
        __syncthreads();
        refresh_both(t, room, most);
    }
}
