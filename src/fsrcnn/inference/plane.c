/* A clip's plane of chroma by the cubic of picture.c, to any size that is not smaller, from any place.
 *
 * Compiled in one piece with native.c and picture.c, which come before it.
 */

typedef struct {
    long in, out;    /* samples along it */
    double from, to; /* the interval of `in` that `out` covers; its samples lie at 0.5, 1.5 ... */
} axis;

typedef struct {
    const void *in;
    void *out;
    long in_stride, out_stride; /* samples from row to row */
    long bytes, peak;           /* 1 or 2 of a sample, which is from 0 to peak */
    axis across, down;
} plane;

/* The samples that one of the output is made of. */
typedef struct {
    long at[CUBIC];
    float weight[CUBIC];
} taps;

/* One sample beyond each edge is like that at the edge; what lies further out weighs nothing. */
static taps taps_of(const axis *a, long x)
{
    const double centre = a->from + (x + 0.5) * (a->to - a->from) / a->out - 0.5;
    const long first = (long)(centre + CUBIC) - CUBIC - 1; /* the number before that of the cell, which may be -1 */
    taps t;
    float sum = 0;
    for (int i = 0; i < CUBIC; i++) {
        const long at = first + i;
        t.at[i] = MAX(0, MIN(at, a->in - 1));
        t.weight[i] = at < -1 || at > a->in ? 0 : cubic(at - centre);
        sum += t.weight[i];
    }
    for (int i = 0; i < CUBIC; i++)
        t.weight[i] /= sum;
    return t;
}

/* An input row enlarged in width. */
INLINE void take_row(const plane *p, int bytes, long row, const taps *columns, float *to)
{
    const uint8_t *narrow = (const uint8_t *)p->in + row * p->in_stride;
    const uint16_t *wide = (const uint16_t *)p->in + row * p->in_stride;
    for (long x = 0; x < p->across.out; x++) {
        const taps *t = columns + x;
        float sum = 0;
        for (int i = 0; i < CUBIC; i++)
            sum += t->weight[i] * (bytes == 1 ? narrow[t->at[i]] : wide[t->at[i]]);
        to[x] = sum;
    }
}

/* An output row of four enlarged ones. */
INLINE void give_row(const plane *p, int bytes, long row, const float *const *from, const float *weight)
{
    uint8_t *narrow = (uint8_t *)p->out + row * p->out_stride;
    uint16_t *wide = (uint16_t *)p->out + row * p->out_stride;
    for (long x = 0; x < p->across.out; x += LANES) {
        vector sum = weight[0] * load(from[0] + x);
        for (int i = 1; i < CUBIC; i++)
            sum += weight[i] * load(from[i] + x);
        const integers whole = rounded(clamped(sum, p->peak));
        for (int i = 0; i < LANES && x + i < p->across.out; i++)
            if (bytes == 1)
                narrow[x + i] = whole[i];
            else
                wide[x + i] = whole[i];
    }
}

/* 0, or 1 when memory ran out. */
int upscale_plane(const plane *p)
{
    const long width = ROUND_UP(p->across.out, LANES);
    taps *columns = malloc(p->across.out * sizeof(taps));
    float *rows = calloc(CUBIC * width, sizeof(float)); /* each where its number says, from 0 to 3 and anew */
    long held[CUBIC] = {-1, -1, -1, -1};
    const int failed = !columns || !rows;
    for (long x = 0; x < p->across.out && !failed; x++)
        columns[x] = taps_of(&p->across, x);
    for (long y = 0; y < p->down.out && !failed; y++) {
        const taps t = taps_of(&p->down, y);
        const float *from[CUBIC];
        for (int i = 0; i < CUBIC; i++) {
            const long row = t.at[i], place = slot(row, CUBIC);
            float *to = rows + place * width;
            from[i] = to;
            if (held[place] != row && p->bytes == 1)
                take_row(p, 1, row, columns, to);
            else if (held[place] != row)
                take_row(p, 2, row, columns, to);
            held[place] = row;
        }
        if (p->bytes == 1)
            give_row(p, 1, y, from, t.weight);
        else
            give_row(p, 2, y, from, t.weight);
    }
    free(columns), free(rows);
    return failed;
}
