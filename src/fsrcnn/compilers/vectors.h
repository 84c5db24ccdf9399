/* What the engine (inference/native.c) and the training's kernel (training/kernel.c) have in common: vectors of
 * pixels, groups of channels whose sums stay in registers, and where the network's parts begin.
 */
#pragma once

#if defined(__AVX512F__)
#define LANES 16
#define MAX_GROUP 14 /* output channels at a time: two vectors each must stay in registers */
#elif defined(__AVX__)
#define LANES 8
#define MAX_GROUP 6
#else
#define LANES 4
#define MAX_GROUP 6
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int integers __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* In a register: GCC would load it from memory anew for every product, and the loads become the limit. */
#if defined(KEEP) /* as nothing, where a vector is wider than the registers */
#elif defined(__x86_64__)
#define KEEP(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define KEEP(v) __asm__("" : "+w"(v))
#else
#define KEEP(v)
#endif

#define INLINE static inline __attribute__((always_inline))
#define CEIL(a, b) (((a) + (b)-1) / (b))
#define ROUND_UP(a, b) (CEIL(a, b) * (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define GROUPS(channels) CEIL(channels, MAX_GROUP)
#define GROUP(channels) CEIL(channels, GROUPS(channels))
#define PADDED(channels) (GROUPS(channels) * GROUP(channels))

/* Where each part of the network begins, LAYER(in, out, k) being the floats that a layer takes. */
#define SHRINKING LAYER(1, D, 5)
#define MAPPING (SHRINKING + LAYER(D, S, 1))
#define EXPANDING (MAPPING + M * LAYER(S, S, 3))
#define DECONVOLUTION (EXPANDING + LAYER(S, D, 1))

#define KERNEL 9  /* of the deconvolution */
#define PADDING 4 /* of which so much lies before a pixel */
/* Output row SCALE*i + r sums input rows i + t, t = -BEFORE..AFTER, with kernel row r + PADDING - SCALE*t. */
#define BEFORE ((KERNEL - 1 - PADDING) / SCALE)
#define AFTER ((SCALE - 1 + PADDING) / SCALE)

INLINE vector load(const float *p) { return *(const unaligned *)p; }
INLINE void store(float *p, vector v) { *(unaligned *)p = v; }
