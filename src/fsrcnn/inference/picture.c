/* Whole pictures: pixels in, pixels out, row by row beside the network's.
 *
 * Compiled in one piece with native.c, which comes before it. What upscaling/colour.py does in NumPy:
 * luma through the network; chroma, which is B - L and R - L with the grey L of a pixel's luma, and alpha
 * by the cubic with a = -1/2; rounded once, at the end.
 */

#include <stdint.h>

#define CUBIC 4                           /* taps */
#define NEAR 2                            /* columns or rows to each side that they reach */
#define BEWIDTH 3                          /* at most: B - L, R - L, alpha */
#define RING (2 * NEAR + 1)               /* rows */
#define PIECE 64                          /* output pixels that are put together at a time */

/* Channels are grey; grey, alpha; RGB; RGB, alpha. Samples are from 0 to peak. */
typedef struct {
    const void *in;
    void *out;
    long in_stride, out_stride; /* samples from row to row */
    long height, width, channels;
    long bytes; /* of a sample: 1 and 2 are whole numbers, 4 is float */
    float peak;
    float black, share[3]; /* luma is black + share of R + share of G + share of B, each of 0..1 */
} picture;

typedef struct {
    tile network;
    float cubic[SCALE][CUBIC];
    float across[SCALE][WIDTH]; /* what the taps inside the image weigh less than 1 is made up for */
    float samples[4][WIDTH];
    float planes[BEWIDTH][WIDTH];
    float beside[BEWIDTH][RING][WIDTH * SCALE];
} canvas;

INLINE int chromas(const picture *p) { return p->channels < 3 ? 0 : 2; }
INLINE int besides(const picture *p) { return chromas(p) + (p->channels % 2 == 0); }

/* The first of the taps of an output pixel, from its input pixel. */
INLINE int first_tap(int phase) { return 2 * phase + 1 < SCALE ? -2 : -1; }

static float cubic(float x)
{
    x = x < 0 ? -x : x;
    return x < 1 ? (1.5f * x - 2.5f) * x * x + 1 : ((-0.5f * x + 2.5f) * x - 4) * x + 2;
}

/* 1 over the sum of the taps that lie inside; a sample outside is 0. */
static float made_up(const canvas *c, int phase, long at, long length)
{
    float sum = 0;
    for (int tap = 0; tap < CUBIC; tap++) {
        const long from = at + first_tap(phase) + tap;
        if (from >= 0 && from < length)
            sum += c->cubic[phase][tap];
    }
    return 1 / sum;
}

static void begin_tile(canvas *c)
{
    const tile *t = &c->network;
    for (int phase = 0; phase < SCALE; phase++) {
        const float centre = (phase + 0.5f) / SCALE - 0.5f;
        for (int tap = 0; tap < CUBIC; tap++)
            c->cubic[phase][tap] = cubic(first_tap(phase) + tap - centre);
        for (long x = t->left; x < t->right; x++)
            c->across[phase][x - t->left] = made_up(c, phase, x, t->width);
    }
}

#define TAKE(type, channels)                                                                                  \
    for (long x = 0; x < n; x++)                                                                              \
        for (int i = 0; i < channels; i++)                                                                    \
            to[i * WIDTH + x] = ((const type *)p->in)[at + x * channels + i];
#define GIVE(type, channels)                                                                                  \
    for (long x = 0; x < n; x++)                                                                              \
        for (int i = 0; i < channels; i++)                                                                    \
            ((type *)p->out)[at + x * channels + i] = from[i * PIECE + x];
#define CHANNELS(MOVE, type)                                                                                  \
    switch (p->channels) {                                                                                    \
    case 1: MOVE(type, 1) break;                                                                              \
    case 2: MOVE(type, 2) break;                                                                              \
    case 3: MOVE(type, 3) break;                                                                              \
    case 4: MOVE(type, 4) break;                                                                              \
    }

/* n pixels, a plane for each channel. */
static void take(const picture *p, long row, long column, long n, float *to)
{
    const long at = row * p->in_stride + column * p->channels;
    if (p->bytes == 1)
        CHANNELS(TAKE, uint8_t)
    else if (p->bytes == 2)
        CHANNELS(TAKE, uint16_t)
    else
        CHANNELS(TAKE, float)
}

static void give_whole(const picture *p, long at, long n, const int32_t *restrict from)
{
    if (p->bytes == 1)
        CHANNELS(GIVE, uint8_t)
    else
        CHANNELS(GIVE, uint16_t)
}

static void give_float(const picture *p, long at, long n, const float *restrict from) { CHANNELS(GIVE, float) }

static void load_luma(const tile *t, long row, long first, long last, float *to)
{
    const picture *p = t->of->in;
    float samples[4 * WIDTH];
    take(p, row, first, last - first, samples);
    const float *r = samples, *g = r + WIDTH, *b = g + WIDTH;
    const float share[] = {p->share[0] / p->peak, p->share[1] / p->peak, p->share[2] / p->peak};
    const float white = share[0] + share[1] + share[2];
    if (chromas(p))
        for (long x = 0; x < last - first; x++)
            to[x] = p->black + r[x] * share[0] + g[x] * share[1] + b[x] * share[2];
    else
        for (long x = 0; x < last - first; x++)
            to[x] = p->black + r[x] * white;
}

/* Chroma and alpha of one input row, enlarged in width. */
static void load_beside(canvas *c, long row)
{
    const tile *t = &c->network;
    const picture *p = t->of->in;
    const long first = MAX(t->left - NEAR, 0), last = MIN(t->right + NEAR, t->width), n = last - first;
    const float sum = p->share[0] + p->share[1] + p->share[2];
    const int count = besides(p);
    if (row < 0 || row >= t->height) {
        for (int plane = 0; plane < count; plane++)
            memset(c->beside[plane][slot(row, RING)], 0, sizeof(c->beside[0][0]));
        return;
    }
    take(p, row, first, n, c->samples[0]);
    memset(c->planes, 0, sizeof(c->planes));
    float *to[BEWIDTH];
    for (int plane = 0; plane < BEWIDTH; plane++)
        to[plane] = c->planes[plane] + NEAR + first - t->left;
    if (chromas(p)) {
        const float *r = c->samples[0], *g = c->samples[1], *b = c->samples[2];
        for (long x = 0; x < n; x++) {
            const float grey = (r[x] * p->share[0] + g[x] * p->share[1] + b[x] * p->share[2]) / sum;
            to[0][x] = b[x] - grey;
            to[1][x] = r[x] - grey;
        }
    }
    if (count > chromas(p))
        memcpy(to[count - 1], c->samples[p->channels - 1], n * sizeof(float));
    for (int plane = 0; plane < count; plane++)
        for (long x = 0; x < t->right - t->left; x += LANES) {
            float phases[SCALE][LANES], *out = c->beside[plane][slot(row, RING)] + x * SCALE;
            for (int s = 0; s < SCALE; s++) {
                const float *from = c->planes[plane] + NEAR + x + first_tap(s);
                vector v = {0};
                for (int tap = 0; tap < CUBIC; tap++)
                    v += c->cubic[s][tap] * load(from + tap);
                store(phases[s], v * load(c->across[s] + x));
            }
            for (int i = 0; i < LANES; i++)
                for (int s = 0; s < SCALE; s++)
                    out[i * SCALE + s] = phases[s][i];
        }
}

INLINE vector clamped(vector v, float peak)
{
    const integers negative = v < 0, above = v > peak;
    const vector top = peak - (vector){0};
    return (vector)(((integers)v & ~negative & ~above) | ((integers)top & above));
}

/* To the nearest whole number: the sum has no bits for less. */
INLINE integers rounded(vector v) { return (integers)(v + 12582912.0f) - 0x4b400000; }

/* LANES output pixels: the planes of their channels, clamped; `from` is the rows of all that is beside luma. */
INLINE void merge(const picture *p, vector y, const float *const (*from)[CUBIC], const vector *weights, long x,
                  vector *out)
{
    const float *share = p->share;
    const vector grey = (y - p->black) * (p->peak / (share[0] + share[1] + share[2]));
    vector beside[BEWIDTH];
    for (int plane = 0; plane < besides(p); plane++) {
        beside[plane] = weights[0] * load(from[plane][0] + x);
        for (int tap = 1; tap < CUBIC; tap++)
            beside[plane] += weights[tap] * load(from[plane][tap] + x);
    }
    out[0] = grey;
    if (chromas(p)) {
        /* Green follows from the other two, as the three differences have no luma. */
        out[0] = grey + beside[1];
        out[1] = grey - beside[1] * (share[0] / share[1]) - beside[0] * (share[2] / share[1]);
        out[2] = grey + beside[0];
    }
    if (besides(p) > chromas(p))
        out[p->channels - 1] = beside[besides(p) - 1];
}

static void save_pixels(tile *t, long row)
{
    canvas *c = (canvas *)t;
    const picture *p = t->of->in;
    const long n = (t->right - t->left) * SCALE;
    if (row == t->top) {
        begin_tile(c);
        for (long before = row - NEAR; before < row + NEAR; before++)
            load_beside(c, before);
    }
    load_beside(c, row + NEAR);
    for (int r = 0; r < SCALE; r++) {
        const long at = (row * SCALE + r) * p->out_stride + t->left * SCALE * p->channels;
        const float *from[BEWIDTH][CUBIC];
        vector weights[CUBIC];
        for (int tap = 0; tap < CUBIC; tap++) {
            weights[tap] = c->cubic[r][tap] * made_up(c, r, row, t->height) - (vector){0};
            for (int plane = 0; plane < BEWIDTH; plane++)
                from[plane][tap] = c->beside[plane][slot(row + first_tap(r) + tap, RING)];
        }
        for (long x = 0; x < n; x += PIECE) {
            union {
                float real[4][PIECE];
                int32_t whole[4][PIECE];
            } planes;
            for (long i = 0; i < PIECE; i += LANES) {
                vector out[4];
                merge(p, load(t->luma[r] + x + i), from, weights, x + i, out);
                for (int channel = 0; channel < p->channels; channel++) {
                    vector v = clamped(out[channel], p->peak);
                    store(planes.real[channel] + i, p->bytes == 4 ? v : (vector)rounded(v));
                }
            }
            if (p->bytes == 4)
                give_float(p, at + x * p->channels, MIN(PIECE, n - x), planes.real[0]);
            else
                give_whole(p, at + x * p->channels, MIN(PIECE, n - x), planes.whole[0]);
        }
    }
}

/* Any picture of up to four channels; 0, or 1 when memory ran out. */
int upscale_pixels(const float *weights, const picture *p, long threads)
{
    job j = {.weights = weights,
             .in = p,
             .count = 1,
             .height = p->height,
             .width = p->width,
             .size = sizeof(canvas),
             .load = load_luma,
             .save = save_pixels};
    return run(&j, threads);
}
