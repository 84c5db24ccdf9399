// What stands in for a graphics processor: every thread of a block is a coroutine, the barriers switch between
// them, and what a warp does as one is written out by the layouts of the PTX ISA. Included before fused.cu in
// place of warp.cuh.
#include <cmath>
#include <cstring>
#include <functional>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static // one block at a time
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

typedef unsigned int u32;
struct uint2 { u32 x, y; };
struct uint4 { u32 x, y, z, w; };
struct float4 { float x, y, z, w; };
struct dim3 { int x, y, z; };
static uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
static uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
static int min(int a, int b) { return a < b ? a : b; }
using std::size_t;

static dim3 threadIdx, blockIdx;
static uint4 memory[1 << 13];

struct Barrier { int waiting = 0, round = 0; };
struct Warp {
    Barrier barrier;
    u32 a[32][4], b[32][2];
    const void *rows[32];
};
static std::vector<ucontext_t> threads;
static ucontext_t scheduler;
static Barrier block_barrier;
static Warp warps[32];

static void wait(Barrier &barrier, int size) {
    const int round = barrier.round, me = threadIdx.x;
    if (++barrier.waiting == size) {
        barrier.waiting = 0;
        barrier.round++;
    }
    while (barrier.round == round)
        swapcontext(&threads[me], &scheduler);
}
static void __syncthreads() { wait(block_barrier, threads.size()); }
static void __syncwarp() { wait(warps[threadIdx.x / 32].barrier, 32); }

static float __shfl_xor_sync(unsigned, float value, int distance) {
    Warp &warp = warps[threadIdx.x / 32];
    const int lane = threadIdx.x % 32;
    std::memcpy(warp.a[lane], &value, 4);
    __syncwarp();
    std::memcpy(&value, warp.a[lane ^ distance], 4);
    __syncwarp();
    return value;
}

static float half(u32 both, int high) {
    unsigned short bits = high ? both >> 16 : both;
    _Float16 value;
    std::memcpy(&value, &bits, 2);
    return value;
}
static u32 pack(float low, float high) {
    const _Float16 halves[2] = {(_Float16)low, (_Float16)high};
    u32 both;
    std::memcpy(&both, halves, 4);
    return both;
}
static float rounded(float value) { return (_Float16)value; }

static void multiply(float sum[4], const u32 *a, const u32 *b, int depth) {
    Warp &warp = warps[threadIdx.x / 32];
    const int lane = threadIdx.x % 32;
    std::memcpy(warp.a[lane], a, depth / 8 * 8);
    std::memcpy(warp.b[lane], b, depth / 8 * 4);
    __syncwarp();
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < depth; k++)
            sum[i] += half(warp.a[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2], k % 2) *
                      half(warp.b[column * 4 + k % 8 / 2][k / 8], k % 2);
    }
    __syncwarp();
}
static void multiply(float sum[4], const u32 a[4], uint2 b) { multiply(sum, a, &b.x, 16); }
static void multiply_half(float sum[4], const u32 a[2], u32 b) { multiply(sum, a, &b, 8); }

// Matrix i of eight rows is given by lanes 8i to 8i+7; lane 4g+t gets the columns 2t, 2t+1 of row g of each.
static void load(u32 *a, const void *row, int matrices) {
    Warp &warp = warps[threadIdx.x / 32];
    const int lane = threadIdx.x % 32;
    warp.rows[lane] = row;
    __syncwarp();
    for (int i = 0; i < matrices; i++)
        std::memcpy(a + i, (const char *)warp.rows[8 * i + lane / 4] + lane % 4 * 4, 4);
    __syncwarp();
}
static void load(u32 a[4], const void *row) { load(a, row, 4); }
static void load_half(u32 a[2], const void *row) { load(a, row, 2); }

static std::function<void()> task;
static std::vector<bool> ended;
static void thread_main(int me) {
    task();
    ended[me] = true;
    swapcontext(&threads[me], &scheduler);
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*(A *)arguments[I]...);
}

template <class... A> static void run(void (*kernel)(A...), const int *grid, int size, void **arguments) {
    static std::vector<char> stacks;
    constexpr int STACK = 1 << 16;
    stacks.resize((size_t)size * STACK);
    task = [=] { call(kernel, arguments, std::index_sequence_for<A...>()); };
    for (int block = 0; block < grid[0] * grid[1] * grid[2]; block++) {
        blockIdx = {block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]};
        threads.assign(size, {});
        ended.assign(size, false);
        for (int i = 0; i < size; i++) {
            getcontext(&threads[i]);
            threads[i].uc_stack.ss_sp = stacks.data() + (size_t)i * STACK;
            threads[i].uc_stack.ss_size = STACK;
            makecontext(&threads[i], (void (*)())thread_main, 1, i);
        }
        for (bool busy = true; busy;) {
            busy = false;
            for (int i = 0; i < size; i++)
                if (!ended[i]) {
                    busy = true;
                    threadIdx.x = i;
                    swapcontext(&scheduler, &threads[i]);
                }
        }
    }
}
