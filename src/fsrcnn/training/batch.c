/* The crops of a batch, shared among threads, and the sums of their gradients. The order of the sums, and so
 * their rounding, is the same whatever the number of threads: crop by crop within a part, then part by part.
 */

#define PARTS 16 /* of a batch, at most */

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
            j->errors[n] = forward(j, s, j->crops + n);
            back(j, s, to);
        }
    }
    return NULL;
}

long scratch_size(void) { return sizeof(scratch); }
int most_parts(void) { return PARTS; }

/* Crops of a pool, lr (pixels) and hr (pixels, PHASES) -> the squared error of each, and the gradients of the
 * mean of these errors, or of their roots: of the deconvolution alone, unless `is_whole`. `gradients` has room
 * for those of PARTS parts, and the first become those of all. `scratches`, one for each thread, are zeros at
 * first and belong to this function. */
void compute(const float *parameters, const float *lr, const float *hr, const long *orders, const crop *crops,
             float *errors, float *gradients, void *scratches, long count, long threads, int is_root, int is_whole)
{
    job j = {.parameters = parameters,
             .lr = lr,
             .hr = hr,
             .orders = orders,
             .crops = crops,
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
