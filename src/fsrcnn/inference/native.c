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

#include "vectors.h"

#define BLOCK (2 * LANES) /* pixels at a time */
#define MAX_PHASES (LANES == 8 ? 4 : 8)
#define LAYER(in, out, k) (PADDED(out) * (2 + (in) * (k) * (k))) /* bias, slope, weight */
#define TAPS (BEFORE + 1 + AFTER)
#define HALO (M + MAX(BEFORE, AFTER)) /* beyond it, only the feature extraction reads on, from the input */
#define PHASE_ROWS MAX(1, MIN(SCALE, MAX_PHASES / SCALE)) /* output rows at a time */

#define TILE 256 /* columns; wider images are cut */
#define LEFT 4   /* zeros before the first column, as many after the last */
#define WIDTH (ROUND_UP(TILE + 2 * HALO, 2 * BLOCK) + LEFT + 12)
#define INPUT_ROWS 5

typedef struct tile tile;

typedef struct {
    const float *weights;
    const void *in;
    void *out;
    long count, height, width, bands, tiles;
    size_t size; /* of what a thread keeps, whose first part is a tile */
    void (*load)(const tile *, long row, long first, long last, float *to); /* columns of the luma */
    void (*save)(tile *, long row); /* the output of one row, which is in `luma` */
    atomic_long next;
    atomic_int failed;
} job;

/* What a thread is at, and the last rows of every map; map 0 is the shrunk features. */
struct tile {
    const job *of;
    const float *weights;
    long height, width, image;
    long top, bottom, left, right;
    long start, columns; /* with its halo */
    float luma[SCALE][(TILE + BLOCK) * SCALE];
    float input[INPUT_ROWS][WIDTH];
    float features[PADDED(D)][BLOCK];
    float maps[M + 1][3][PADDED(S)][WIDTH];
    float expanded[TAPS][PADDED(D)][WIDTH];
};

INLINE long slot(long row, long rows) { return (row % rows + rows) % rows; }

/* Convolution and PReLU for a block of pixels; rows[i] + c * stride is channel c of the i-th row. */
INLINE void convolve(const float *const *rows, long stride, int in, int out, int k, const float *weights,
                     float *to, long to_stride)
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
}

/* PHASE_ROWS output rows, from `first` on, of a block of pixels. */
INLINE void deconvolve(const float *const *rows, const float *weights, float bias, int first, float *out,
                       long out_stride)
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
                vector a = load(from), b = load(from + LANES);
                KEEP(a);
                KEEP(b);
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
        float planes[SCALE][BLOCK];
        if (first + r >= SCALE)
            break;
#pragma GCC unroll 4
        for (int s = 0; s < SCALE; s++) {
            store(planes[s], sum[r][s][0]);
            store(planes[s] + LANES, sum[r][s][1]);
        }
        for (int x = 0; x < BLOCK; x++)
            for (int s = 0; s < SCALE; s++)
                out[r * out_stride + x * SCALE + s] = planes[s][x];
    }
}

/* Rows outside the image are zero for the layer that reads them; true if this is one. */
INLINE int is_outside(const tile *t, long row, float *to, int channels)
{
    if (row >= 0 && row < t->height)
        return 0;
    memset(to, 0, channels * WIDTH * sizeof(float));
    return 1;
}

/* So are the columns after the image; those before it are never written. */
INLINE void end_row(const tile *t, float *to, int channels)
{
    for (int c = 0; c < channels; c++)
        memset(to + c * WIDTH + LEFT + t->columns, 0, LEFT * sizeof(float));
}

static void load_input(tile *t, long row)
{
    float *to = t->input[slot(row, INPUT_ROWS)];
    /* Unlike the maps, the input is there beyond the columns of the tile. */
    const long first = MAX(t->start - LEFT, 0), last = MIN(t->start + t->columns + LEFT, t->width);
    memset(to, 0, sizeof(t->input[0]));
    if (row >= 0 && row < t->height)
        t->of->load(t, row, first, last, to + LEFT + first - t->start);
}

static void extract_and_shrink(tile *t, long row)
{
    float *to = t->maps[0][slot(row, 3)][0];
    if (is_outside(t, row, to, PADDED(S)))
        return;
    for (long x = 0; x < t->columns; x += BLOCK) {
        const float *rows[5], *features[1] = {t->features[0]};
        for (int i = 0; i < 5; i++)
            rows[i] = t->input[slot(row + i - 2, INPUT_ROWS)] + LEFT + x;
        convolve(rows, 0, 1, D, 5, t->weights, t->features[0], BLOCK);
        convolve(features, BLOCK, D, S, 1, t->weights + SHRINKING, to + LEFT + x, WIDTH);
    }
    end_row(t, to, PADDED(S));
}

static void map_row(tile *t, int layer, long row)
{
    float *to = t->maps[layer + 1][slot(row, 3)][0];
    if (is_outside(t, row, to, PADDED(S)))
        return;
    for (long x = 0; x < t->columns; x += BLOCK) {
        const float *rows[3], *weights = t->weights + MAPPING + layer * LAYER(S, S, 3);
        for (int i = 0; i < 3; i++)
            rows[i] = t->maps[layer][slot(row + i - 1, 3)][0] + LEFT + x;
        convolve(rows, WIDTH, S, S, 3, weights, to + LEFT + x, WIDTH);
    }
    end_row(t, to, PADDED(S));
}

static void expand(tile *t, long row)
{
    float *to = t->expanded[slot(row, TAPS)][0];
    if (is_outside(t, row, to, PADDED(D)))
        return;
    for (long x = 0; x < t->columns; x += BLOCK) {
        const float *rows[1] = {t->maps[M][slot(row, 3)][0] + LEFT + x};
        convolve(rows, WIDTH, S, D, 1, t->weights + EXPANDING, to + LEFT + x, WIDTH);
    }
    end_row(t, to, PADDED(D));
}

static void deconvolve_row(tile *t, long row)
{
    const float *weights = t->weights + DECONVOLUTION;
    for (long x = t->left; x < t->right; x += BLOCK) {
        const float *rows[TAPS];
        for (int i = -BEFORE; i <= AFTER; i++)
            rows[i + BEFORE] = t->expanded[slot(row + i, TAPS)][0] + LEFT + x - t->start;
#pragma GCC unroll 4
        for (int first = 0; first < SCALE; first += PHASE_ROWS)
            deconvolve(rows, weights + 1, weights[0], first, t->luma[first] + (x - t->left) * SCALE,
                       sizeof(t->luma[0]) / sizeof(float));
    }
}

/* Each layer follows the one before from row to row. */
static void upscale_tile(tile *t)
{
    const long begin = t->top - BEFORE - M;
    t->start = MAX(t->left - HALO, 0);
    t->columns = MIN(t->right + HALO, t->width) - t->start;
    for (long row = begin - 2; row < begin + 2; row++)
        load_input(t, row);
    for (long row = begin; row < t->bottom + AFTER + M; row++) {
        load_input(t, row + 2);
        extract_and_shrink(t, row);
        for (int layer = 0; layer < M; layer++)
            if (row - layer - 1 > begin + layer)
                map_row(t, layer, row - layer - 1);
        if (row - M >= t->top - BEFORE)
            expand(t, row - M);
        if (row - M - AFTER >= t->top) {
            deconvolve_row(t, row - M - AFTER);
            t->of->save(t, row - M - AFTER);
        }
    }
}

static void *work(void *argument)
{
    job *j = argument;
    const long total = j->count * j->bands * j->tiles;
    tile *t = calloc(1, j->size);
    if (!t) {
        j->failed = 1;
        return NULL;
    }
    t->of = j, t->weights = j->weights, t->height = j->height, t->width = j->width;
    for (long i; (i = j->next++) < total;) {
        const long column = i % j->tiles, band = i / j->tiles % j->bands;
        t->image = i / j->tiles / j->bands;
        t->top = j->height * band / j->bands, t->bottom = j->height * (band + 1) / j->bands;
        t->left = j->width * column / j->tiles, t->right = j->width * (column + 1) / j->tiles;
        upscale_tile(t);
    }
    free(t);
    return NULL;
}

/* All of a job, by so many threads; they wait for each other asleep. 0, or 1 when memory ran out. */
static int run(job *j, long threads)
{
    pthread_t others[threads];
    long started = 0;
    j->tiles = CEIL(j->width, TILE), j->bands = 1;
    const long parts = j->count * j->tiles;
    /* Equal shares, three for each thread: one that another process holds up leaves the rest to the others.
     * But a band repeats HALO rows of work on each side. Else enough small ones. */
    if (threads > 1)
        j->bands = MAX(1, MIN(CEIL(3 * threads, parts), j->height / 80));
    while (j->bands > 1 && parts * j->bands % threads)
        j->bands--;
    while (parts * j->bands % threads && parts * j->bands < 8 * threads && j->height / j->bands > 32)
        j->bands++;
    while (started < threads - 1 && !pthread_create(&others[started], NULL, work, j))
        started++;
    work(j);
    while (started)
        pthread_join(others[--started], NULL);
    return j->failed;
}

static void load_plane(const tile *t, long row, long first, long last, float *to)
{
    const float *from = (const float *)t->of->in + (t->image * t->height + row) * t->width;
    memcpy(to, from + first, (last - first) * sizeof(float));
}

static void save_plane(tile *t, long row)
{
    const long width = t->width * SCALE;
    float *to = (float *)t->of->out + (t->image * t->height + row) * SCALE * width + t->left * SCALE;
    for (int r = 0; r < SCALE; r++, to += width)
        memcpy(to, t->luma[r], (t->right - t->left) * SCALE * sizeof(float));
}

/* How the channels are to be grouped. */
int max_group(void) { return MAX_GROUP; }

/* in (count, height, width) -> out (count, SCALE*height, SCALE*width); 0, or 1 when memory ran out. */
int upscale(const float *weights, const float *in, float *out, long count, long height, long width,
            long threads)
{
    job j = {.weights = weights,
             .in = in,
             .out = out,
             .count = count,
             .height = height,
             .width = width,
             .size = sizeof(tile),
             .load = load_plane,
             .save = save_plane};
    return run(&j, threads);
}
