/* The engine of the page: native.c and picture.c as WebAssembly, with the little they need of a C library.
 *
 * Compiled by ../engine.py with SCALE, D, S and M defined.
 */

#include "native.c"
#include "picture.c"

#define PAGE 65536 /* bytes in which memory grows */

extern unsigned char __heap_base;
static unsigned char *top = &__heap_base;

/* Zeroed memory; NULL where there is none. */
void *calloc(size_t count, size_t size)
{
    const size_t begin = ROUND_UP((size_t)top, 64), end = begin + count * size;
    const size_t present = __builtin_wasm_memory_size(0) * PAGE;
    if (end > present && __builtin_wasm_memory_grow(0, CEIL(end - present, PAGE)) == (size_t)-1)
        return NULL;
    top = (unsigned char *)end;
    return memset((void *)begin, 0, count * size);
}

/* Of what was taken last, as the callers have it: with it goes all that was taken since. */
void free(void *last) { top = last; }

void *memset(void *to, int value, size_t size)
{
    for (unsigned char *at = to; size--;)
        *at++ = value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *at = to;
    for (const unsigned char *next = from; size--;)
        *at++ = *next++;
    return to;
}

/* 8-bit RGB (channels 3) or RGB and alpha (4), rows without gaps; 0, or 1 when memory ran out. */
int upscale_rgb(const float *weights, const uint8_t *in, uint8_t *out, long height, long width, long channels,
                float black, float red, float green, float blue)
{
    const picture p = {.in = in,
                       .out = out,
                       .in_stride = width * channels,
                       .out_stride = width * SCALE * channels,
                       .height = height,
                       .width = width,
                       .channels = channels,
                       .bytes = 1,
                       .peak = 255,
                       .black = black,
                       .share = {red, green, blue}};
    return upscale_pixels(weights, &p, 1);
}
