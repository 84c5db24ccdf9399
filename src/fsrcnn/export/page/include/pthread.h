/* The page's threads are workers, each with an engine of its own: here none can be started. */
typedef int pthread_t;
#define pthread_create(thread, attributes, function, argument) 1
#define pthread_join(thread, result) 0
