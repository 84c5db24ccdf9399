// One warp's operations on float16, which CUDA C has no names for without its headers (PTX ISA 8.0, 9.7).

typedef unsigned int u32;

extern __shared__ uint4 memory[]; // of a block, as much as its launch says

static __device__ __forceinline__ u32 pack(float low, float high) {
    u32 both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

static __device__ __forceinline__ float rounded(float value) {
    unsigned short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

// sum[16][8] += a[16][16] * b[16][8]. Lane 4g+t holds of `a` the rows g, g+8 and the columns 2t, 2t+1, 2t+8,
// 2t+9; of `b` the same numbers of rows and column g; of `sum` the rows g, g+8 and the columns 2t, 2t+1.
static __device__ __forceinline__ void multiply(float sum[4], const u32 a[4], uint2 b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
}

// The same of the first eight columns of `a` and rows of `b`.
static __device__ __forceinline__ void multiply_half(float sum[4], const u32 a[2], u32 b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b));
}

// `a` from shared memory: lane l gives the address of eight halves, row l % 16, columns from 8 * (l / 16).
static __device__ __forceinline__ void load(u32 a[4], const void *row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                 : "r"(address)
                 : "memory");
}

static __device__ __forceinline__ void load_half(u32 a[2], const void *row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(a[0]), "=r"(a[1])
                 : "r"(address)
                 : "memory");
}
