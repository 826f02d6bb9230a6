#include "host-agent/copy/image_job.h"

#include "base/mem.h"

struct image_job *
image_job_new(struct datastore *ds, const char *path)
{
	struct image_job *j = xcalloc(1, sizeof(*j));

	j->ds = datastore_ref(ds);
	j->path = xstrdup(path);
	j->file_fd = j->wire_fd = -1;
	return j;
}

void
image_job_free(struct image_job *j)
{
	if (!j)
		return;
	if (j->file_fd >= 0)
		close(j->file_fd);
	if (j->wire_fd >= 0)
		close(j->wire_fd);
	datastore_unref(j->ds);
	drover__disk_layer__free_unpacked(j->backing, NULL);
	free(j->path);
	free(j->format);
	free(j);
}
