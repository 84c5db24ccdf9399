/* The whole network in one pass over the image, for one shape of network.
 *
 * Compiled by native.py with SCALE, D, S and M defined. Rows stream through all layers, so that what
 * is between them stays in the second-level cache: every layer keeps only the rows that the next one
 * still needs. Vectors run along a row of pixels; that wastes no lane on 12 or 56 channels, and the
 * deconvolution does only its 81 products a channel. Arithmetic is float32 throughout.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#define MAX_GROUP 14 /* output channels at a time: two vectors each must stay in registers */
#define MAX_PHASES 8
#elif defined(__AVX__)
#define LANES 8
#define MAX_GROUP 6
#define MAX_PHASES 4
#else
#define LANES 4
#define MAX_GROUP 6
#define MAX_PHASES 8
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int integers __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define BLOCK (2 * LANES) /* pixels at a time */
#define CEIL(a, b) (((a) + (b)-1) / (b))
#define ROUND_UP(a, b) (CEIL(a, b) * (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define GROUPS(channels) CEIL(channels, MAX_GROUP)
#define GROUP(channels) CEIL(channels, GROUPS(channels))
#define PADDED(channels) (GROUPS(channels) * GROUP(channels))
#define LAYER(in, out, k) (PADDED(out) * (2 + (in) * (k) * (k))) /* floats: bias, slope, weight */

#define KERNEL 9
#define PADDING 4
/* Output row SCALE*i + r sums input rows i + t, t = -BEFORE..AFTER, with kernel row r + PADDING - SCALE*t. */
#define BEFORE ((KERNEL - 1 - PADDING) / SCALE)
#define AFTER ((SCALE - 1 + PADDING) / SCALE)
#define TAPS (BEFORE + 1 + AFTER)
#define HALO (M + MAX(BEFORE, AFTER)) /* beyond it, only the feature extraction reads on, from the input */
#define PHASE_ROWS MAX(1, MIN(SCALE, MAX_PHASES / SCALE)) /* output rows at a time */

#define TILE 256 /* columns; wider images are cut */
#define LEFT 4   /* zeros before the first column, as many after the last */
#define WIDTH (ROUND_UP(TILE + 2 * HALO, 2 * BLOCK) + LEFT + 12)
#define INPUT_ROWS 8 /* a power of two, at least 5 */

typedef float map[3][PADDED(S)][WIDTH];

typedef struct {
    float input[INPUT_ROWS][WIDTH];
    float features[PADDED(D)][BLOCK];
    map mapping[M + 1];
    float expanded[TAPS][PADDED(D)][WIDTH];
} buffers;

typedef struct {
    const float *weights, *in;
    float *out;
    long count, height, width, bands, tiles;
    atomic_long next;
    atomic_int failed;
} job;

INLINE vector load(const float *p) { return *(const unaligned *)p; }
INLINE void store(float *p, vector v) { *(unaligned *)p = v; }

INLINE long slot(long row, long rows) { return (row % rows + rows) % rows; }

/* Convolution and PReLU for a block of pixels; rows[i] + c * stride is channel c of the i-th row. */
INLINE const float *convolve(const float *const *rows, long stride, int in, int out, int k,
                             const float *weights, float *to, long to_stride)
{
    const int group = GROUP(out);
    for (int g = 0; g < GROUPS(out); g++) {
        const float *bias = weights, *slope = weights + group;
        vector sum[MAX_GROUP][2];
        weights += 2 * group;
#pragma GCC unroll 16
        for (int o = 0; o < group; o++)
            sum[o][0] = sum[o][1] = bias[o] - (vector){0};
        for (int c = 0; c < in; c++)
            for (int i = 0; i < k; i++)
                for (int j = 0; j < k; j++) {
                    const float *from = rows[i] + c * stride + j - k / 2;
                    const vector a = load(from), b = load(from + LANES);
#pragma GCC unroll 16
                    for (int o = 0; o < group; o++) {
                        sum[o][0] += weights[o] * a;
                        sum[o][1] += weights[o] * b;
                    }
                    weights += group;
                }
#pragma GCC unroll 16
        for (int o = 0; o < group; o++, to += to_stride)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                const vector v = sum[o][half];
                const integers negative = v < 0;
                const vector below = (vector)((integers)v & negative);
                const vector above = (vector)((integers)v & ~negative);
                store(to + half * LANES, above + slope[o] * below);
            }
    }
    return weights;
}

/* PHASE_ROWS output rows, from `first` on, of a block of pixels: n of its columns are written. */
INLINE void deconvolve(const float *const *rows, const float *weights, float bias, int first, float *out,
                       long out_stride, long n)
{
    vector sum[PHASE_ROWS][SCALE][2];
#pragma GCC unroll 4
    for (int r = 0; r < PHASE_ROWS; r++)
#pragma GCC unroll 4
        for (int s = 0; s < SCALE; s++)
            sum[r][s][0] = sum[r][s][1] = bias - (vector){0};
    for (int c = 0; c < D; c++, weights += KERNEL * KERNEL)
#pragma GCC unroll 5
        for (int i = -BEFORE; i <= AFTER; i++)
#pragma GCC unroll 5
            for (int j = -BEFORE; j <= AFTER; j++) {
                const float *from = rows[i + BEFORE] + c * WIDTH + j;
                const vector a = load(from), b = load(from + LANES);
#pragma GCC unroll 4
                for (int r = 0; r < PHASE_ROWS; r++)
#pragma GCC unroll 4
                    for (int s = 0; s < SCALE; s++) {
                        const int u = first + r + PADDING - SCALE * i, v = s + PADDING - SCALE * j;
                        if (first + r < SCALE && u >= 0 && u < KERNEL && v >= 0 && v < KERNEL) {
                            sum[r][s][0] += weights[u * KERNEL + v] * a;
                            sum[r][s][1] += weights[u * KERNEL + v] * b;
                        }
                    }
            }
#pragma GCC unroll 4
    for (int r = 0; r < PHASE_ROWS; r++) {
        float planes[SCALE][BLOCK], line[BLOCK * SCALE];
        if (first + r >= SCALE)
            break;
#pragma GCC unroll 4
        for (int s = 0; s < SCALE; s++) {
            store(planes[s], sum[r][s][0]);
            store(planes[s] + LANES, sum[r][s][1]);
        }
        for (int x = 0; x < BLOCK; x++)
            for (int s = 0; s < SCALE; s++)
                line[x * SCALE + s] = planes[s][x];
        memcpy(out + r * out_stride, line, n * SCALE * sizeof(float));
    }
}

/* The columns after the image are zero for the layer that reads them. */
INLINE void end_rows(float *row, int channels, long columns)
{
    for (int c = 0; c < channels; c++)
        memset(row + c * WIDTH + LEFT + columns, 0, LEFT * sizeof(float));
}

static void load_input(const job *j, const float *in, long row, long start, long columns, float *to)
{
    /* Unlike the maps, the input is there beyond the columns of the tile. */
    const long first = MAX(start - LEFT, 0), last = MIN(start + columns + LEFT, j->width);
    memset(to, 0, WIDTH * sizeof(float));
    if (row >= 0 && row < j->height)
        memcpy(to + LEFT + first - start, in + row * j->width + first, (last - first) * sizeof(float));
}

static void upscale_tile(const job *j, buffers *b, long image, long top, long bottom, long left, long right)
{
    const float *in = j->in + image * j->height * j->width;
    float *out = j->out + image * j->height * j->width * SCALE * SCALE;
    const long start = MAX(left - HALO, 0), columns = MIN(right + HALO, j->width) - start;
    const float *shrinking = j->weights + LAYER(1, D, 5), *mapping = shrinking + LAYER(D, S, 1);
    const float *expanding = mapping + M * LAYER(S, S, 3), *deconvolution = expanding + LAYER(S, D, 1);
    const long begin = top - BEFORE - M;

    for (long row = begin - 2; row < begin + 2; row++)
        load_input(j, in, row, start, columns, b->input[row & (INPUT_ROWS - 1)]);
    for (long row = begin; row < bottom + AFTER + M; row++) {
        load_input(j, in, row + 2, start, columns, b->input[(row + 2) & (INPUT_ROWS - 1)]);
        {
            float *to = b->mapping[0][slot(row, 3)][0];
            if (row < 0 || row >= j->height)
                memset(to, 0, sizeof(b->mapping[0][0]));
            else {
                for (long x = 0; x < columns; x += BLOCK) {
                    const float *rows[5], *features[1] = {b->features[0]};
                    for (int i = 0; i < 5; i++)
                        rows[i] = b->input[(row + i - 2) & (INPUT_ROWS - 1)] + LEFT + x;
                    convolve(rows, 0, 1, D, 5, j->weights, b->features[0], BLOCK);
                    convolve(features, BLOCK, D, S, 1, shrinking, to + LEFT + x, WIDTH);
                }
                end_rows(to, PADDED(S), columns);
            }
        }
        for (int layer = 0; layer < M; layer++) {
            const long r = row - layer - 1;
            float *to = b->mapping[layer + 1][slot(r, 3)][0];
            if (r < begin + layer + 1)
                break;
            if (r < 0 || r >= j->height) {
                memset(to, 0, sizeof(b->mapping[0][0]));
                continue;
            }
            for (long x = 0; x < columns; x += BLOCK) {
                const float *rows[3];
                for (int i = 0; i < 3; i++)
                    rows[i] = b->mapping[layer][slot(r + i - 1, 3)][0] + LEFT + x;
                convolve(rows, WIDTH, S, S, 3, mapping + layer * LAYER(S, S, 3), to + LEFT + x, WIDTH);
            }
            end_rows(to, PADDED(S), columns);
        }
        {
            const long r = row - M;
            float *to = b->expanded[slot(r, TAPS)][0];
            if (r < top - BEFORE)
                continue;
            if (r < 0 || r >= j->height)
                memset(to, 0, sizeof(b->expanded[0]));
            else {
                for (long x = 0; x < columns; x += BLOCK) {
                    const float *rows[1] = {b->mapping[M][slot(r, 3)][0] + LEFT + x};
                    convolve(rows, WIDTH, S, D, 1, expanding, to + LEFT + x, WIDTH);
                }
                end_rows(to, PADDED(D), columns);
            }
        }
        const long r = row - M - AFTER;
        if (r < top)
            continue;
        for (long x = left; x < right; x += BLOCK) {
            const float *rows[TAPS];
            for (int i = -BEFORE; i <= AFTER; i++)
                rows[i + BEFORE] = b->expanded[slot(r + i, TAPS)][0] + LEFT + x - start;
#pragma GCC unroll 4
            for (int first = 0; first < SCALE; first += PHASE_ROWS)
                deconvolve(rows, deconvolution + 1, deconvolution[0], first,
                           out + ((r * SCALE + first) * j->width + x) * SCALE, j->width * SCALE,
                           MIN(BLOCK, right - x));
        }
    }
}

static void *work(void *argument)
{
    job *j = argument;
    const long total = j->count * j->bands * j->tiles;
    buffers *b = calloc(1, sizeof(buffers));
    if (!b)
        j->failed = 1;
    for (long i; b && (i = j->next++) < total;) {
        const long tile = i % j->tiles, band = i / j->tiles % j->bands, image = i / j->tiles / j->bands;
        upscale_tile(j, b, image, j->height * band / j->bands, j->height * (band + 1) / j->bands,
                     j->width * tile / j->tiles, j->width * (tile + 1) / j->tiles);
    }
    free(b);
    return NULL;
}

/* How native.py is to group the channels. */
int max_group(void) { return MAX_GROUP; }

/* in (count, height, width) -> out (count, SCALE*height, SCALE*width); 0, or 1 when memory ran out. */
int upscale(const float *weights, const float *in, float *out, long count, long height, long width,
            long threads)
{
    const long tiles = CEIL(width, TILE);
    long bands = 1, started = 0;
    /* Equal shares, or else enough small ones; a band repeats HALO rows of work on each side. */
    while (count * bands * tiles % threads && count * bands * tiles < 8 * threads && height / bands > 32)
        bands++;
    job j = {.weights = weights,
             .in = in,
             .out = out,
             .count = count,
             .height = height,
             .width = width,
             .bands = bands,
             .tiles = tiles};
    pthread_t others[threads];
    while (started < threads - 1 && !pthread_create(&others[started], NULL, work, &j))
        started++;
    work(&j);
    while (started)
        pthread_join(others[--started], NULL);
    return j.failed;
}
