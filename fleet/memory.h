/* Memory of the fleet's programs: when there is none, the program ends; all that it knows is at the broker.
 */
#ifndef FLEET_MEMORY_H
#define FLEET_MEMORY_H

#include <stddef.h>

/* Zeroed, never NULL; freed by free(3). */
void *memory_new(size_t size);
/* As realloc(3), never NULL. */
void *memory_resize(void *memory, size_t count, size_t size);
/* As strdup(3), never NULL. */
char *memory_copy(const char *text);

#endif
