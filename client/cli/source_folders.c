/*
 * A folder of class folders, in the order of torchvision's ImageFolder: the classes are the folders
 * right below, in byte order of their names, and a class's samples are all files below it that have
 * one of the extensions, symbolic links followed. ImageFolder sorts the files of a class, too; that
 * makes no difference to the labels, which are the same for all of them.
 */
#include "source.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <strings.h>

static const char image_extensions[] = "jpg,jpeg,png,ppm,bmp,pgm,tif,tiff,webp";

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* As ImageFolder does: any ending, in any case. */
static bool has_extension(const FTSENT *file, const char *extensions)
{
    size_t len = file->fts_namelen;

    for (const char *at = extensions; *at != '\0';) {
        size_t dot = *at == '.', n = strcspn(at + dot, ",");
        const char *end = file->fts_name + len - n;

        if (n > 0 && len > n && end[-1] == '.' && strncasecmp(end, at + dot, n) == 0)
            return true;
        at += dot + n;
        at += *at == ',';
    }
    return false;
}

struct folders {
    struct source *source;
    label_sink *sink;
    void *arg;
    const char *extensions;
    FTSENT *class;   /* the class folder being read */
    uint64_t before; /* samples before it */
    uint64_t classes;
};

static bool end_class(struct folders *folders)
{
    if (folders->source->samples > folders->before)
        return true;
    return source_error(folders->source,
                        "the class folder '%s' has no file that ends in one of %s: remove it, or "
                        "give --extensions",
                        folders->class->fts_name, folders->extensions);
}

static bool visit_file(struct folders *folders, const FTSENT *entry)
{
    if (!folders->class || entry->fts_level < 2 || !has_extension(entry, folders->extensions))
        return true;
    if (!folders->sink(folders->arg, folders->class->fts_name, folders->class->fts_namelen))
        return false;
    folders->source->samples++;
    source_progress(folders->source);
    return true;
}

static bool visit_entry(struct folders *folders, FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_D:
        if (entry->fts_level == 1) {
            folders->class = entry;
            folders->before = folders->source->samples;
            folders->classes++;
        }
        return true;
    case FTS_DP:
        return entry->fts_level != 1 || end_class(folders);
    case FTS_DC:
        return source_error(folders->source, "%s is a link to a folder that holds it: remove it",
                            entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
        return source_error(folders->source, "cannot read %s: %s", entry->fts_path,
                            strerror(entry->fts_errno));
    default:
        return visit_file(folders, entry);
    }
}

static bool read_labels(struct source *source, label_sink *sink, void *arg)
{
    char *const roots[] = {(char *)(uintptr_t)source->path, NULL}; /* fts does not write to it */
    struct folders folders = {.source = source, .sink = sink, .arg = arg};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    bool ok = tree;

    folders.extensions = source->extensions ? source->extensions : image_extensions;
    if (!tree)
        return source_error(source, "cannot read it: %s", strerror(errno));
    errno = 0;
    while (ok && (entry = fts_read(tree)))
        ok = visit_entry(&folders, entry);
    if (ok && errno != 0)
        ok = source_error(source, "cannot read it: %s", strerror(errno));
    if (ok && folders.classes == 0)
        ok = source_error(source, "is a folder without folders in it: each class needs one, named "
                                  "after it, with the class's files");
    fts_close(tree);
    return ok;
}

const struct source_format source_folders = {
    .name = "folders",
    .read = read_labels,
    .folder = true,
    .byte_order = true, /* as ImageFolder numbers them */
};
