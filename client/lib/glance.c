#include "config.h"

#include "client/lib/glance.h"

bool glance_finds_file(struct glance *glance, const struct marker_place *place, const struct process *p)
{
	glance->used = false;
	marker_view(place, p, &glance->view);
	return glance->view.where == MARKER_DIR_SAME && glance->view.marker.kind == MARKER_FILE;
}

static void view_once(
    const struct marker_place *place, const struct process *p, struct marker_view *view, void *context)
{
	struct glance *glance = context;

	if (glance->used)
		marker_view(place, p, view);
	else
		*view = glance->view;
	glance->used = true;
}

struct marker_viewer glance_viewer(struct glance *glance)
{
	return (struct marker_viewer){.view = view_once, .context = glance};
}
