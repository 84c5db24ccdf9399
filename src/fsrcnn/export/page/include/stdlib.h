/* What native.c needs of it; engine.c has the functions. */
typedef __SIZE_TYPE__ size_t;
#define NULL ((void *)0)
void *calloc(size_t count, size_t size);
void free(void *last);
