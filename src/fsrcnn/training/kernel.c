/* The error of a batch of square crops and its gradients, for one shape of network and one side of crop.
 *
 * Compiled by kernel.py with SCALE, D, S, M, SIDE and FLOOR defined. A crop goes forward and back through all
 * layers before the next one begins, so that its maps stay in the second-level cache. Vectors run along a row of
 * pixels; the deconvolution does only its 81 products a channel, as in inference/native.c. Arithmetic is
 * float32 throughout. Gradients are summed crop by crop within a part of the batch and then part by part: the
 * order, and so the rounding, is the same whatever the number of threads.
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

#define PARTS 16 /* of a batch, at most */
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

typedef struct {
    const float *parameters, *lr, *hr;
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
static float compare(const job *j, scratch *s, const float *hr)
{
    const float pixels = SIDE * SIDE * PHASES;
    float error = 0;
    for (int y = 0; y < SIDE; y++)
        for (int q = 0; q < PHASES; q++) {
            float *out = s->out[q] + ORIGIN + y * ROW, sum = 0;
            for (int x = 0; x < SIDE; x++) {
                out[x] -= hr[(y * SIDE + x) * PHASES + q];
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

static float forward(const job *j, scratch *s, const float *lr, const float *hr)
{
    const offsets *at = &j->at;
    const packed *w = &j->weights;
    for (int y = 0; y < SIDE; y++)
        memcpy(s->in + ORIGIN + y * ROW, lr + y * SIDE, SIDE * sizeof(float));
    convolve(j, s->in, at->extract, 25, D, w->extract, s->z_features[0], s->features[0], 0, 0, 0);
    convolve(j, s->features[0], at->shrink, D, S, w->shrink, s->z_maps[0][0], s->maps[0][0], 0, 0, 0);
    for (int m = 0; m < M; m++)
        convolve(j, s->maps[m][0], at->map, S * 9, S, w->map[m], s->z_maps[m + 1][0], s->maps[m + 1][0], 0, 0, 0);
    convolve(j, s->maps[M][0], at->expand, S, D, w->expand, s->z_expanded[0], s->expanded[0], 0, 0, 0);
#pragma GCC unroll 4
    for (int first = 0; first < SCALE; first += PHASE_ROWS)
        deconvolve(s, j->parameters + DECONVOLUTION, first);
    return compare(j, s, hr);
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

/* Term t of channel o is from[t / block * leap + t % block + o * stride]; no bias where there is none. */
static void pack(float *to, int out, int terms, const float *from, int block, int leap, int stride,
                 const float *bias, const float *slope)
{
    const int group = GROUP(out);
    for (int first = 0; first < out; first += group)
        for (int t = -2; t < terms; t++)
            for (int o = first; o < first + group; o++, to++)
                if (o >= out)
                    *to = 0;
                else if (t == -2)
                    *to = bias ? bias[o] : 0;
                else
                    *to = t == -1 ? slope[o] : from[t / block * leap + t % block + o * stride];
}

static void pack_all(job *j)
{
    packed *w = &j->weights;
    const float *p = j->parameters, *shrink = p + SHRINKING, *expand = p + EXPANDING;
    const float *mapped = M ? expand - S : shrink + S * (D + 1); /* slopes of what is expanded */
    pack(w->extract, D, 25, p, 25, 0, 25, p + D * 25, p + D * 26);
    pack(w->shrink, S, D, shrink, D, 0, D, shrink + S * D, shrink + S * (D + 1));
    pack(w->expand, D, S, expand, S, 0, S, expand + D * S, expand + D * (S + 1));
    pack(w->to_expanded, D, TAPS, p + DECONVOLUTION, TAPS, 0, TAPS, 0, expand + D * (S + 1));
    pack(w->to_mapped, S, D, expand, 1, S, 1, 0, mapped);
    pack(w->to_features, D, S, shrink, 1, D, 1, 0, p + D * 26);
    for (int m = 0; m < M; m++) {
        const float *map = p + MAPPING + m * LAYER(S, S, 3);
        pack(w->map[m], S, S * 9, map, S * 9, 0, S * 9, map + S * S * 9, map + S * (S * 9 + 1));
        pack(w->to_map[m], S, S * 9, map, 9, S * 9, 9, 0, m ? map - S : shrink + S * (D + 1));
    }
}

static void set_offsets(job *j)
{
    offsets *at = &j->at;
    for (int t = 0; t < 25; t++)
        at->extract[t] = (t / 5 - 2) * ROW + t % 5 - 2;
    for (int t = 0; t < D; t++)
        at->shrink[t] = t * MAP;
    for (int t = 0; t < S; t++)
        at->expand[t] = t * MAP;
    for (int t = 0; t < S * 9; t++) {
        const int tap = (t % 9 / 3 - 1) * ROW + t % 3 - 1;
        at->map[t] = t / 9 * MAP + tap;
        at->to_map[t] = t / 9 * MAP - tap;
    }
    for (int t = 0; t < TAPS; t++) {
        const int u = t / KERNEL, v = t % KERNEL;
        at->to_expanded[t] = (phase(u) * SCALE + phase(v)) * MAP - shift(u) * ROW - shift(v);
    }
    for (int n = 0; n < VECTORS; n++)
        for (int lane = 0; lane < LANES; lane++)
            j->inside[n][lane] = -(n / ACROSS < SIDE && n % ACROSS * LANES + lane < SIDE);
}

static void *work(void *argument)
{
    job *j = argument;
    scratch *s = j->scratches + j->threads++;
    for (long part; (part = j->next++) * j->part < j->count;) {
        float *to = j->gradients + part * PARAMETERS;
        memset(to, 0, PARAMETERS * sizeof(float));
        for (long n = part * j->part; n < MIN((part + 1) * j->part, j->count); n++) {
            const long pixels = SIDE * SIDE;
            j->errors[n] = forward(j, s, j->lr + n * pixels, j->hr + n * pixels * PHASES);
            back(j, s, to);
        }
    }
    return NULL;
}

long scratch_size(void) { return sizeof(scratch); }
int most_parts(void) { return PARTS; }

/* lr (count, SIDE, SIDE), hr (count, SIDE, SIDE, PHASES) -> the squared error of each crop, and the gradients
 * of the mean of these errors, or of their roots: of the deconvolution alone, unless `is_whole`. `gradients`
 * has room for those of PARTS parts, and the first become those of all. `scratches`, one for each thread, are
 * zeros at first and belong to this function. */
void compute(const float *parameters, const float *lr, const float *hr, float *errors, float *gradients,
             void *scratches, long count, long threads, int is_root, int is_whole)
{
    job j = {.parameters = parameters,
             .lr = lr,
             .hr = hr,
             .errors = errors,
             .gradients = gradients,
             .scratches = scratches,
             .count = count,
             .part = CEIL(count, PARTS),
             .is_root = is_root,
             .is_whole = is_whole};
    pthread_t others[threads];
    long started = 0;
    set_offsets(&j);
    pack_all(&j);
    while (started < threads - 1 && !pthread_create(&others[started], NULL, work, &j))
        started++;
    work(&j);
    while (started)
        pthread_join(others[--started], NULL);
    for (long part = 1; part * j.part < count; part++)
        for (long i = 0; i < PARAMETERS; i++)
            gradients[i] += gradients[part * PARAMETERS + i];
}
