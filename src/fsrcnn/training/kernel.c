/* The error of a square crop and its gradients, for one shape of network and one side of crop.
 *
 * Compiled by kernel.py with SCALE, D, S, M, SIDE and FLOOR defined, in one piece with batch.c. A crop
 * goes forward and back through all layers before the next one begins, so that its maps stay in the
 * second-level cache. Vectors run along a row of pixels; the deconvolution does only its 81 products a channel,
 * as in inference/native.c. Arithmetic is float32 throughout.
 */

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "vectors.h"

#define PACKED(out, terms) (PADDED(out) * (2 + (terms)))

#define TAPS (KERNEL * KERNEL)
#define PHASES (SCALE * SCALE)
#define PHASE_ROWS MAX(1, MIN(SCALE, MAX_GROUP / SCALE)) /* output rows at a time */

/* A map has zeros around it; those right of a row are also those left of the next. */
#define REACH 2
#define WIDTH ROUND_UP(SIDE, LANES)
#define ROW (WIDTH + REACH)
#define ORIGIN ROUND_UP(REACH * (ROW + 1), LANES)
#define ACROSS (WIDTH / LANES)
#define VECTORS ROUND_UP(SIDE * ACROSS, 2) /* the last may be of the row after the map, which is zero */
#define MAP ROUND_UP(ORIGIN + (SIDE + 1 + REACH) * ROW + LANES, LANES)

#define LAYER(in, out, k) ((out) * (2 + (in) * (k) * (k))) /* weight (out, in, k, k), bias, slope */
#define PARAMETERS (DECONVOLUTION + D * TAPS + 1)

#define OUTS 4   /* channels and terms whose gradients are summed at a time */
#define TERMS 3

/* For `convolve`: of each group of channels their biases, their slopes, and their weights term by term. */
typedef struct {
    float extract[PACKED(D, 25)], shrink[PACKED(S, D)], map[M + 1][PACKED(S, S * 9)], expand[PACKED(D, S)];
    float to_expanded[PACKED(D, TAPS)], to_mapped[PACKED(S, D)], to_map[M + 1][PACKED(S, S * 9)];
    float to_features[PACKED(D, S)];
} packed;

/* From a pixel to what its sums read; those of gradients end with some that are not used. */
typedef struct {
    int extract[25 + TERMS], shrink[D + TERMS], map[S * 9 + TERMS], expand[S + TERMS];
    int to_expanded[TAPS], to_map[S * 9];
} offsets;

/* `z` before and `a` after the activation; on the way back `a` becomes the gradient of `z`. */
typedef struct {
    float in[MAP], out[PHASES][MAP];
    float z_features[D][MAP], features[ROUND_UP(D, OUTS)][MAP];
    float z_maps[M + 1][S][MAP], maps[M + 1][ROUND_UP(S, OUTS)][MAP];
    float z_expanded[D][MAP], expanded[ROUND_UP(D, OUTS)][MAP];
    vector biases[MAX(D, S)], slopes[MAX(D, S)];
} scratch;

/* Where a crop lies, as pool.py's `places` has it. */
typedef struct {
    long first, down, right, symmetry;
} crop;

typedef struct {
    const float *parameters, *lr, *hr; /* of the whole pool */
    const long *orders;                /* of the phases of a pixel, for each symmetry */
    const crop *crops;
    float *errors, *gradients; /* of each crop; of each part */
    scratch *scratches;
    long count, part; /* crops of the batch, of a part */
    int is_root, is_whole;
    atomic_long next, threads;
    packed weights;
    offsets at;
    integers inside[VECTORS];
} job;

INLINE vector choose(integers mask, vector v) { return (vector)((integers)v & mask); }
INLINE long place(int n) { return ORIGIN + n / ACROSS * ROW + n % ACROSS * LANES; }

INLINE float total(vector v)
{
    float f[LANES];
    store(f, v);
#pragma GCC unroll 4
    for (int n = LANES / 2; n; n /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < n; i++)
            f[i] += f[i + n];
    return f[0];
}

/* A convolution of all pixels. Forward: to `z`, and its PReLU to `a`. Back: `z` is that of the layer which `a`
 * belongs to; to `a` the gradient of `z`, and its sums to biases and slopes. */
INLINE void convolve(const job *j, const float *from, const int *offset, int terms, int out,
                     const float *packed, float *z, float *a, int is_back, vector *biases, vector *slopes)
{
    const int group = GROUP(out);
    for (int n = 0; n < VECTORS; n += 2) {
        const long at[2] = {place(n), place(n + 1)};
        const float *weights = packed;
        for (int g = 0; g < GROUPS(out); g++) {
            const float *bias = weights, *slope = weights + group;
            vector sum[MAX_GROUP][2];
            weights += 2 * group;
#pragma GCC unroll 16
            for (int o = 0; o < group; o++)
                sum[o][0] = sum[o][1] = bias[o] - (vector){0};
            for (int t = 0; t < terms; t++, weights += group) {
                vector v = load(from + offset[t] + at[0]), w = load(from + offset[t] + at[1]);
                KEEP(v);
                KEEP(w);
#pragma GCC unroll 16
                for (int o = 0; o < group; o++) {
                    sum[o][0] += weights[o] * v;
                    sum[o][1] += weights[o] * w;
                }
            }
#pragma GCC unroll 16
            for (int o = 0; o < group; o++) {
                const int channel = g * group + o;
                if (PADDED(out) != out && channel >= out)
                    break;
#pragma GCC unroll 2
                for (int half = 0; half < 2; half++) {
                    float *to = a + channel * MAP + at[half], *before = z + channel * MAP + at[half];
                    vector v = sum[o][half];
                    if (is_back) {
                        const vector sign = load(before);
                        const integers positive = sign > 0;
                        v = choose(j->inside[n + half], v);
                        slopes[channel] += v * choose(~positive, sign);
                        v = choose(positive, v) + slope[o] * choose(~positive, v);
                        biases[channel] += v;
                    } else {
                        const integers positive = v > 0;
                        store(before, v);
                        v = choose(positive, v) + slope[o] * choose(~positive, v);
                        v = choose(j->inside[n + half], v);
                    }
                    store(to, v);
                }
            }
        }
    }
}

/* Adds to the gradient (out, terms) of a layer's weights: the products of `error`, (out) maps, with what it read. */
static void add_weights(const float *from, const int *offset, int terms, const float *error, int out, float *to)
{
    for (int o = 0; o < out; o += OUTS)
        for (int t = 0; t < terms; t += TERMS) {
            vector sum[OUTS][TERMS] = {0};
            for (int y = 0; y < VECTORS / ACROSS; y++)
#pragma GCC unroll 2
                for (int x = 0; x < ACROSS; x++) {
                    const long at = ORIGIN + y * ROW + x * LANES;
                    vector v[TERMS];
#pragma GCC unroll 3
                    for (int i = 0; i < TERMS; i++) {
                        v[i] = load(from + offset[t + i] + at);
                        KEEP(v[i]);
                    }
#pragma GCC unroll 4
                    for (int k = 0; k < OUTS; k++) {
                        const vector e = load(error + (o + k) * MAP + at);
#pragma GCC unroll 3
                        for (int i = 0; i < TERMS; i++)
                            sum[k][i] += e * v[i];
                    }
                }
            for (int k = 0; k < OUTS && o + k < out; k++)
                for (int i = 0; i < TERMS && t + i < terms; i++)
                    to[(o + k) * terms + t + i] += total(sum[k][i]);
        }
}

/* Adds to bias and slope, which follow a layer's weights, and clears the sums. */
static void add_sums(scratch *s, int out, float *to)
{
    for (int o = 0; o < out; o++) {
        to[o] += total(s->biases[o]);
        to[out + o] += total(s->slopes[o]);
        s->biases[o] = s->slopes[o] = (vector){0};
    }
}

/* PHASE_ROWS output rows, from `first` on, of all pixels; a map for each phase. */
INLINE void deconvolve(scratch *s, const float *parameters, int first)
{
    for (int n = 0; n < VECTORS; n += 2) {
        const long at[2] = {place(n), place(n + 1)};
        const float *weights = parameters;
        vector sum[PHASE_ROWS][SCALE][2];
#pragma GCC unroll 4
        for (int r = 0; r < PHASE_ROWS; r++)
#pragma GCC unroll 4
            for (int q = 0; q < SCALE; q++)
                sum[r][q][0] = sum[r][q][1] = parameters[D * TAPS] - (vector){0};
        for (int c = 0; c < D; c++, weights += TAPS)
#pragma GCC unroll 5
            for (int i = -BEFORE; i <= AFTER; i++) {
                if (first + PHASE_ROWS - 1 + PADDING - SCALE * i < 0 || first + PADDING - SCALE * i >= KERNEL)
                    continue;
#pragma GCC unroll 5
                for (int k = -BEFORE; k <= AFTER; k++) {
                    const float *from = s->expanded[c] + i * ROW + k;
                    vector a = load(from + at[0]), b = load(from + at[1]);
                    KEEP(a);
                    KEEP(b);
#pragma GCC unroll 4
                    for (int r = 0; r < PHASE_ROWS; r++)
#pragma GCC unroll 4
                        for (int q = 0; q < SCALE; q++) {
                            const int u = first + r + PADDING - SCALE * i, v = q + PADDING - SCALE * k;
                            if (first + r < SCALE && u >= 0 && u < KERNEL && v >= 0 && v < KERNEL) {
                                sum[r][q][0] += weights[u * KERNEL + v] * a;
                                sum[r][q][1] += weights[u * KERNEL + v] * b;
                            }
                        }
                }
            }
#pragma GCC unroll 4
        for (int r = 0; r < PHASE_ROWS; r++)
#pragma GCC unroll 4
            for (int q = 0; q < SCALE && first + r < SCALE; q++) {
                store(s->out[(first + r) * SCALE + q] + at[0], sum[r][q][0]);
                store(s->out[(first + r) * SCALE + q] + at[1], sum[r][q][1]);
            }
    }
}

/* Which phase row, and which row of the map, kernel row u joins. */
INLINE int phase(int u) { return (u + SCALE * PADDING - PADDING) % SCALE; }
INLINE int shift(int u) { return (phase(u) + PADDING - u) / SCALE; }

/* Adds to the gradient of the deconvolution, a row of a channel's kernel at a time. */
static void add_kernels(const scratch *s, float *to)
{
    for (int c = 0; c < D; c++)
        for (int u = 0; u < KERNEL; u++, to += KERNEL) {
            const float *from = s->expanded[c] + shift(u) * ROW, *error = s->out[phase(u) * SCALE];
            vector sum[KERNEL] = {0};
            for (int n = 0; n < VECTORS; n++) {
                const long at = place(n);
                vector e[SCALE];
#pragma GCC unroll 4
                for (int q = 0; q < SCALE; q++)
                    e[q] = load(error + q * MAP + at);
#pragma GCC unroll 5
                for (int k = -BEFORE; k <= AFTER; k++) {
                    const vector v = load(from + k + at);
#pragma GCC unroll 4
                    for (int q = 0; q < SCALE; q++)
                        if (q + PADDING - SCALE * k >= 0 && q + PADDING - SCALE * k < KERNEL)
                            sum[q + PADDING - SCALE * k] += e[q] * v;
                }
            }
            for (int v = 0; v < KERNEL; v++)
                to[v] += total(sum[v]);
        }
    float sum = 0;
    for (int q = 0; q < PHASES; q++)
        for (int n = 0; n < VECTORS; n++)
            sum += total(load(s->out[q] + place(n)));
    *to += sum;
}

/* The squared error of the output, which becomes its own gradient. */
static float compare(const job *j, scratch *s, const crop *c)
{
    const long *order = j->orders + c->symmetry * PHASES;
    const float pixels = SIDE * SIDE * PHASES;
    float error = 0;
    for (int y = 0; y < SIDE; y++)
        for (int q = 0; q < PHASES; q++) {
            const float *hr = j->hr + (c->first + y * c->down) * PHASES + order[q];
            float *out = s->out[q] + ORIGIN + y * ROW, sum = 0;
            for (int x = 0; x < SIDE; x++) {
                out[x] -= hr[x * c->right * PHASES];
                sum += out[x] * out[x];
            }
            error += sum;
        }
    error /= pixels;
    const float slope = (j->is_root ? 1 / sqrtf(error + FLOOR) : 2) / (pixels * j->count);
    for (int q = 0; q < PHASES; q++)
        for (int n = 0; n < VECTORS; n++)
            store(s->out[q] + place(n), slope * choose(j->inside[n], load(s->out[q] + place(n))));
    return error;
}

static float forward(const job *j, scratch *s, const crop *c)
{
    const offsets *at = &j->at;
    const packed *w = &j->weights;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            s->in[ORIGIN + y * ROW + x] = j->lr[c->first + y * c->down + x * c->right];
    convolve(j, s->in, at->extract, 25, D, w->extract, s->z_features[0], s->features[0], 0, 0, 0);
    convolve(j, s->features[0], at->shrink, D, S, w->shrink, s->z_maps[0][0], s->maps[0][0], 0, 0, 0);
    for (int m = 0; m < M; m++)
        convolve(j, s->maps[m][0], at->map, S * 9, S, w->map[m], s->z_maps[m + 1][0], s->maps[m + 1][0], 0, 0, 0);
    convolve(j, s->maps[M][0], at->expand, S, D, w->expand, s->z_expanded[0], s->expanded[0], 0, 0, 0);
#pragma GCC unroll 4
    for (int first = 0; first < SCALE; first += PHASE_ROWS)
        deconvolve(s, j->parameters + DECONVOLUTION, first);
    return compare(j, s, c);
}

static void back(const job *j, scratch *s, float *to)
{
    const offsets *at = &j->at;
    const packed *w = &j->weights;
    add_kernels(s, to + DECONVOLUTION);
    if (!j->is_whole)
        return;
    convolve(j, s->out[0], at->to_expanded, TAPS, D, w->to_expanded, s->z_expanded[0], s->expanded[0], 1, s->biases,
             s->slopes);
    add_sums(s, D, to + EXPANDING + D * S);
    add_weights(s->maps[M][0], at->expand, S, s->expanded[0], D, to + EXPANDING);
    convolve(j, s->expanded[0], at->shrink, D, S, w->to_mapped, s->z_maps[M][0], s->maps[M][0], 1, s->biases, s->slopes);
    for (int m = M; m--;) {
        float *layer = to + MAPPING + m * LAYER(S, S, 3);
        add_sums(s, S, layer + S * S * 9);
        add_weights(s->maps[m][0], at->map, S * 9, s->maps[m + 1][0], S, layer);
        convolve(j, s->maps[m + 1][0], at->to_map, S * 9, S, w->to_map[m], s->z_maps[m][0], s->maps[m][0], 1, s->biases,
                 s->slopes);
    }
    add_sums(s, S, to + SHRINKING + S * D);
    add_weights(s->features[0], at->shrink, D, s->maps[0][0], S, to + SHRINKING);
    convolve(j, s->maps[0][0], at->expand, S, D, w->to_features, s->z_features[0], s->features[0], 1, s->biases,
             s->slopes);
    add_sums(s, D, to + D * 25);
    add_weights(s->in, at->extract, 25, s->features[0], D, to);
}
