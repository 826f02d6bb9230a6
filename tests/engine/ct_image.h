/*
 * ct_image: images that a container's root can be put together from.
 */
#pragma once

/* A layer with busybox and its commands. */
void ct_image_layer(const char *path);
/* An empty image of a container's own; before, if there is one, is a shell command that
 * is run in its folder (upper, work and log are there) before it becomes an image. */
void ct_image_own(const char *path, const char *before);
/* How many loop devices are on files whose path holds part. */
unsigned ct_image_loops(const char *part);
