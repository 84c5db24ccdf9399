/* What native.c needs of it; engine.c has the functions. */
void *memcpy(void *restrict to, const void *restrict from, __SIZE_TYPE__ size);
void *memset(void *to, int value, __SIZE_TYPE__ size);
