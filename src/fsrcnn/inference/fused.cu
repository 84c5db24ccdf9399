// FSRCNN(D, S, M) at SCALE on the matrix units of a graphics processor, in 2 + M kernels.
//
// Products are of float16, sums of float32. Between the kernels a pixel is 16 halves, of which S are used, in
// the order in which a lane needs them: 4t+j is channel 2t+j, or 2t+6+j for j >= 2 (`multiply`, warp.cuh). Of
// the first layer both factors are split into two halves each, since its rounding alone costs 1e-3 of luma.
//
// A warp takes 16 pixels of a row at a time as the rows of a product. From row to row of the picture it goes
// downwards: a row that was read serves all the outputs it belongs to, whose sums wait in registers.
// D is a multiple of 8, S at most 16. Outside of the picture every layer's input is 0.

constexpr int TILES = D / 8;           // of eight channels
constexpr int PAIRS = TILES / 2;       // of tiles: a product's depth of 16
constexpr int WIDTH = 64, WARPS = 4;   // pixels of a block's row
constexpr int PITCH = 76;              // of a row of pairs, so that no two lanes meet in a bank

static __device__ __forceinline__ float prelu(float x, float slope) {
    return fmaxf(x, 0.0f) + slope * fminf(x, 0.0f);
}

// A lane's share of a tile of sums: two channels of pixels g and g+8. `rule`: their biases, their slopes.
static __device__ __forceinline__ void start(float sum[4], float4 rule) {
    sum[0] = sum[2] = rule.x;
    sum[1] = sum[3] = rule.y;
}

static __device__ __forceinline__ u32 finish(const float *sum, float4 rule, bool rests = false) {
    float low = prelu(sum[0], rule.z), high = prelu(sum[1], rule.w);
    if (rests) {
        low -= rounded(low);
        high -= rounded(high);
    }
    return pack(low, high);
}

// Pixels x and x+8 of a narrow layer, for the next kernel.
static __device__ __forceinline__ void store(uint2 *to, const float (*sum)[4], float4 one, float4 two, int x,
                                             int width, int t) {
    const bool rests = S + 4 <= 16 && t >= 2;
    if (x < width)
        to[0] = make_uint2(finish(sum[0], one), finish(sum[1], two, rests));
    if (x + 8 < width)
        to[32] = make_uint2(finish(sum[0] + 2, one), finish(sum[1] + 2, two, rests));
}

// ROWS of a block: the more, the fewer are read twice; the fewer, the more multiprocessors share a small picture.

// Luma (n, height, width) -> features, shrunk. Grid: columns, rows, pictures.
template <int ROWS>
__global__ void __launch_bounds__(32 * WARPS)
features(const float *luma, int height, int width, const uint2 *first, const float4 *first_rules,
         const uint2 *shrink, const u32 *shrink_rest, const float4 *shrink_rules, uint2 *out) {
    __shared__ u32 high[(ROWS + 4) * PITCH], low[(ROWS + 4) * PITCH]; // a pixel and the one to its right
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int left = blockIdx.x * WIDTH, top = blockIdx.y * ROWS;
    luma += (size_t)blockIdx.z * height * width;
    out += (size_t)blockIdx.z * height * width * 4;
    for (int i = threadIdx.x; i < (ROWS + 4) * (WIDTH + 4); i += 32 * WARPS) {
        const int row = i / (WIDTH + 4), column = i % (WIDTH + 4);
        const int y = top + row - 2, x = left + column - 2;
        const bool inside = y >= 0 && y < height;
        const float here = inside && x >= 0 && x < width ? luma[(size_t)y * width + x] : 0.0f;
        const float next = inside && x >= -1 && x + 1 < width ? luma[(size_t)y * width + x + 1] : 0.0f;
        high[row * PITCH + column] = pack(here, next);
        low[row * PITCH + column] = pack(here - rounded(here), next - rounded(next));
    }
    // Five rows of three pairs of taps, the sixth tap of a row weighing nothing: 15 of 16 pairs.
    int offset[4];
    for (int j = 0; j < 4; j++) {
        const int pair = min(4 * j + t, 14);
        offset[j] = pair / 3 * PITCH + pair % 3 * 2 + 16 * warp + g;
    }
    uint2 bank[2][2][TILES], narrow[PAIRS][2];
#pragma unroll
    for (int i = 0; i < 4 * TILES; i++)
        bank[i / 2 / TILES][i / TILES % 2][i % TILES] = first[i * 32 + lane];
#pragma unroll
    for (int i = 0; i < 2 * PAIRS; i++)
        narrow[i / 2][i % 2] = shrink[i * 32 + lane];
    __syncthreads();
    for (int row = 0; row < ROWS && top + row < height; row++) {
        float sum[TILES][4];
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
            start(sum[tile], first_rules[tile * 4 + t]);
#pragma unroll
        for (int step = 0; step < 2; step++) {
            u32 a[4], rest[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int at = offset[2 * step + i / 2] + row * PITCH + i % 2 * 8;
                a[i] = high[at];
                rest[i] = low[at];
            }
#pragma unroll
            for (int tile = 0; tile < TILES; tile++) {
                multiply(sum[tile], rest, bank[0][step][tile]);
                multiply(sum[tile], a, bank[1][step][tile]);
                multiply(sum[tile], a, bank[0][step][tile]);
            }
        }
        float thin[2][4];
        for (int tile = 0; tile < 2; tile++)
            start(thin[tile], shrink_rules[tile * 4 + t]);
#pragma unroll
        for (int pair = 0; pair < PAIRS; pair++) {
            const float4 one = first_rules[pair * 8 + t], two = first_rules[pair * 8 + 4 + t];
            const u32 a[4] = {finish(sum[2 * pair], one), finish(sum[2 * pair] + 2, one),
                              finish(sum[2 * pair + 1], two), finish(sum[2 * pair + 1] + 2, two)};
            for (int tile = 0; tile < 2; tile++)
                multiply(thin[tile], a, narrow[pair][tile]);
        }
        if (TILES % 2) {
            const float4 rule = first_rules[(TILES - 1) * 4 + t];
            const u32 a[2] = {finish(sum[TILES - 1], rule), finish(sum[TILES - 1] + 2, rule)};
            for (int tile = 0; tile < 2; tile++)
                multiply_half(thin[tile], a, shrink_rest[tile * 32 + lane]);
        }
        const float4 one = shrink_rules[t], two = shrink_rules[4 + t];
        const int x = left + 16 * warp + g;
        store(out + ((size_t)(top + row) * width + x) * 4 + t, thin, one, two, x, width, t);
    }
}

// One layer of 3x3. Grid: columns, rows, pictures.
template <int ROWS>
__global__ void __launch_bounds__(32 * WARPS)
mapping(const uint2 *in, int height, int width, const uint2 *bank, const float4 *rules, uint2 *out) {
    __shared__ __align__(16) uint2 part[ROWS + 2][WIDTH + 2][4];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int left = blockIdx.x * WIDTH, top = blockIdx.y * ROWS;
    in += (size_t)blockIdx.z * height * width * 4;
    out += (size_t)blockIdx.z * height * width * 4;
    for (int i = threadIdx.x; i < (ROWS + 2) * (WIDTH + 2) * 2; i += 32 * WARPS) {
        const int y = top + i / 2 / (WIDTH + 2) - 1, x = left + i / 2 % (WIDTH + 2) - 1;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        ((uint4 *)part)[i] =
            inside ? ((const uint4 *)in)[((size_t)y * width + x) * 2 + i % 2] : make_uint4(0, 0, 0, 0);
    }
    uint2 b[3][3][2];
#pragma unroll
    for (int i = 0; i < 18; i++)
        b[i / 6][i / 2 % 3][i % 2] = bank[i * 32 + lane];
    const float4 one = rules[t], two = rules[4 + t];
    __syncthreads();
    float sum[3][2][4];
#pragma unroll
    for (int row = 0; row < ROWS + 2; row++) {
        start(sum[row % 3][0], one);
        start(sum[row % 3][1], two);
#pragma unroll
        for (int dx = 0; dx < 3; dx++) {
            const uint2 near = part[row][16 * warp + g + dx][t], far = part[row][16 * warp + g + dx + 8][t];
            const u32 a[4] = {near.x, far.x, near.y, far.y};
#pragma unroll
            for (int dy = 0; dy < 3; dy++) {
                if (row - dy < 0 || row - dy >= ROWS)
                    continue;
                multiply(sum[(row - dy) % 3][0], a, b[dy][dx][0]);
                multiply(sum[(row - dy) % 3][1], a, b[dy][dx][1]);
            }
        }
        const int y = top + row - 2, x = left + 16 * warp + g;
        if (row < 2 || y >= height)
            continue;
        store(out + ((size_t)y * width + x) * 4 + t, sum[(row - 2) % 3], one, two, x, width, t);
    }
}

constexpr int TAPS = 7 - SCALE;                   // along each axis of the sub-pixel form
constexpr int BEFORE = SCALE == 2 ? 2 : 1;        // of them before the pixel
constexpr int SIDE = SCALE == 2 ? 2 : 1;          // pixels of a product's row, so that its columns are used
constexpr int SPAN = 64;                          // pixels of a warp's row
constexpr int COLUMNS = SIDE * SCALE;             // of the output, of a product's row
constexpr int OUTPUTS = (SCALE * COLUMNS + 7) / 8;    // tiles of eight
constexpr int SHIFTS = TAPS + SIDE - 1;
constexpr int GROUPS = SPAN / 16 / SIDE;          // products beside each other
constexpr int STRIDE = TILES % 2 ? D : D + 8;     // halves of a pixel, so that no two rows meet in a bank
constexpr int SPREAD = SIDE == 2 ? 36 : 0;        // from the even pixels of a row to the odd ones
constexpr int BUFFER = 72 * STRIDE;               // halves of a row, with what the last products read beyond
constexpr int UPSCALERS = 4;                      // warps of a block
constexpr int BLOCKS = SCALE == 2 ? 3 : 2;        // of a multiprocessor, which registers allow

static __device__ __forceinline__ int place(int pixel) {
    return SIDE == 2 ? pixel % 2 * SPREAD + pixel / 2 : pixel;
}

// Whether a row of pixels, counted from a warp's first, is one whose outputs are that warp's.
static __device__ __forceinline__ bool belongs(int row, int count) {
    return row >= 0 && row < count;
}

// A lane's share of 64 pixels of a row from `x`; outside of the picture 0.
static __device__ __forceinline__ void fetch(uint2 to[4][2], const uint2 *in, int y, int x, int height,
                                             int width, int t) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const bool inside = y >= 0 && y < height && x + 8 * i >= 0 && x + 8 * i < width;
        to[i / 2][i % 2] = inside ? in[((size_t)y * width + x + 8 * i) * 4 + t] : make_uint2(0, 0);
    }
}

// Expanding and deconvolution: -> luma (n, height * SCALE, width * SCALE), `rows` rows of pixels a warp.
// Grid: columns of SPAN - TAPS + 1, UPSCALERS * rows, pictures.
extern "C" __global__ void __launch_bounds__(32 * UPSCALERS, BLOCKS)
upscale(const uint2 *in, int height, int width, int rows, const uint2 *expand, const float4 *rules,
        const uint2 *bank, const u32 *bank_rest, float bias, float *out) {
    constexpr int FULL = SHIFTS * PAIRS * TAPS * OUTPUTS * 32, REST = TILES % 2 * SHIFTS * TAPS * OUTPUTS * 32;
    uint2 *full = (uint2 *)memory;
    u32 *rest = (u32 *)(full + FULL);
    float4 *rule = (float4 *)(rest + REST);
    unsigned short *buffer = (unsigned short *)(rule + TILES * 4) + threadIdx.x / 32 * BUFFER;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int left = blockIdx.x * (SPAN - TAPS + 1) - BEFORE, top = (blockIdx.y * UPSCALERS + warp) * rows;
    in += (size_t)blockIdx.z * height * width * 4;
    out += (size_t)blockIdx.z * height * width * (SCALE * SCALE);
    for (int i = threadIdx.x; i < FULL / 2; i += 32 * UPSCALERS)
        ((uint4 *)full)[i] = ((const uint4 *)bank)[i];
    for (int i = threadIdx.x; i < REST / 4; i += 32 * UPSCALERS)
        ((uint4 *)rest)[i] = ((const uint4 *)bank_rest)[i];
    for (int i = threadIdx.x; i < TILES * 4; i += 32 * UPSCALERS)
        rule[i] = rules[i];
    uint2 wide[TILES];
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
        wide[tile] = expand[tile * 32 + lane];
    __syncthreads();
    if (top >= height)
        return;
    float sum[TAPS][GROUPS * OUTPUTS][4]; // of the output rows that the present row belongs to
#pragma unroll
    for (int i = 0; i < TAPS * GROUPS * OUTPUTS * 4; i++)
        sum[i / 4 / (GROUPS * OUTPUTS)][i / 4 % (GROUPS * OUTPUTS)][i % 4] = bias;
    const int count = min(rows, height - top), last = count + TAPS - 1;
    uint2 ahead[4][2]; // a row before it is needed
    fetch(ahead, in, top - BEFORE, left + g, height, width, t);
#pragma unroll 1
    for (int row = 0; row < last; row++) {
        const int y = top + row - BEFORE;
        uint2 now[4][2];
#pragma unroll
        for (int i = 0; i < 8; i++)
            now[i / 2][i % 2] = ahead[i / 2][i % 2];
        if (row + 1 < last)
            fetch(ahead, in, y + 1, left + g, height, width, t);
        if (y >= 0 && y < height) {
            __syncwarp();
#pragma unroll
            for (int group = 0; group < 4; group++) {
                const u32 a[4] = {now[group][0].x, now[group][1].x, now[group][0].y, now[group][1].y};
                const int x = left + 16 * group + g;
                const bool inside[2] = {x >= 0 && x < width, x + 8 >= 0 && x + 8 < width};
                u32 *to[2] = {(u32 *)(buffer + place(16 * group + g) * STRIDE) + t,
                              (u32 *)(buffer + place(16 * group + g + 8) * STRIDE) + t};
#pragma unroll
                for (int tile = 0; tile < TILES; tile++) {
                    float expanded[4];
                    start(expanded, rule[tile * 4 + t]);
                    multiply(expanded, a, wide[tile]);
                    to[0][tile * 4] = inside[0] ? finish(expanded, rule[tile * 4 + t]) : 0;
                    to[1][tile * 4] = inside[1] ? finish(expanded + 2, rule[tile * 4 + t]) : 0;
                }
            }
            __syncwarp();
#pragma unroll
            for (int shift = 0; shift < SHIFTS; shift++) {
                const unsigned short *from =
                    buffer + (place(shift) + lane % 16) * STRIDE + lane / 16 * 8;
#pragma unroll
                for (int pair = 0; pair < PAIRS; pair++) {
                    u32 a[GROUPS][4];
#pragma unroll
                    for (int group = 0; group < GROUPS; group++)
                        load(a[group], from + group * 16 * STRIDE + pair * 16);
#pragma unroll
                    for (int i = 0; i < TAPS * OUTPUTS; i++) {
                        if (!belongs(row - i / OUTPUTS, count))
                            continue;
                        const uint2 b = full[((shift * PAIRS + pair) * TAPS * OUTPUTS + i) * 32 + lane];
#pragma unroll
                        for (int group = 0; group < GROUPS; group++)
                            multiply(sum[TAPS - 1 - i / OUTPUTS][group * OUTPUTS + i % OUTPUTS], a[group], b);
                    }
                }
                if (TILES % 2) {
                    u32 a[GROUPS][2];
#pragma unroll
                    for (int group = 0; group < GROUPS; group++)
                        load_half(a[group], from + group * 16 * STRIDE + (TILES - 1) * 8);
#pragma unroll
                    for (int i = 0; i < TAPS * OUTPUTS; i++) {
                        if (!belongs(row - i / OUTPUTS, count))
                            continue;
                        const u32 b = rest[(shift * TAPS * OUTPUTS + i) * 32 + lane];
#pragma unroll
                        for (int group = 0; group < GROUPS; group++)
                            multiply_half(sum[TAPS - 1 - i / OUTPUTS][group * OUTPUTS + i % OUTPUTS], a[group], b);
                    }
                }
            }
        }
        const int done = top + row - TAPS + 1;
#pragma unroll
        for (int i = 0; i < GROUPS * OUTPUTS * 4; i++) {
            const int group = i / 4 / OUTPUTS, tile = i / 4 % OUTPUTS;
            // Row g or g+8 of the product, column 2t or 2t+1: the pixel, and where in its SCALE^2 outputs.
            const int column = tile * 8 + 2 * t + i % 2, product = group * 16 + g + i / 2 % 2 * 8;
            const int x = (left + BEFORE) * SCALE + product * COLUMNS + column % COLUMNS;
            const bool ours = product * SIDE < SPAN - TAPS + 1 && column < SCALE * COLUMNS;
            if (done >= top && ours && x < width * SCALE)
                out[((size_t)done * SCALE + column / COLUMNS) * width * SCALE + x] = sum[0][i / 4][i % 4];
        }
#pragma unroll
        for (int tap = 0; tap < TAPS; tap++)
#pragma unroll
            for (int i = 0; i < GROUPS * OUTPUTS * 4; i++)
                sum[tap][i / 4][i % 4] = tap + 1 < TAPS ? sum[tap + 1][i / 4][i % 4] : bias;
    }
}
