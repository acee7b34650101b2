/* Pages of classes, samples and rows (page.h). Called by dataset.stats, job.stats, job.preview and
 * job.confusion, by dataset.labels, and by dataset.list, job.list and job.workers. */
#include "calls/page.h"

#include <inttypes.h>
#include "proto/pack.h"

int page_of(uint32_t first, uint32_t count, uint32_t classes, struct page *out,
            struct evd_error *err)
{
    if (count > EVD_MAX_PAGE)
        return error_set(err, EVD_E_LIMIT, "count",
                         "\"count\" is at most %u: ask for the rest with \"first\"", EVD_MAX_PAGE);
    if (first > classes)
        return error_set(err, EVD_E_BAD_VALUE, "first",
                         "\"first\" is %u, but there are %u classes, counted from 0", first,
                         classes);
    out->first = first;
    out->count = count < classes - first ? count : classes - first;
    return EVD_OK;
}

void pack_class_names(msgpack_packer *pk, const struct dataset *dataset, const struct page *page)
{
    pack_key_array(pk, "class", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        pack_cstr(pk, dataset_class_name(dataset, page->first + i));
}

void pack_class_counts(msgpack_packer *pk, const struct class_index *index, const struct page *page)
{
    pack_key_array(pk, "count", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_uint64(pk, class_size(index, page->first + i));
}

int span_of(uint64_t first, uint32_t count, uint64_t samples, struct span *out,
            struct evd_error *err)
{
    if (count > EVD_MAX_LABELS)
        return error_set(err, EVD_E_LIMIT, "count",
                         "\"count\" is at most %u: ask for the rest with \"first\"",
                         EVD_MAX_LABELS);
    if (first > samples)
        return error_set(err, EVD_E_BAD_VALUE, "first",
                         "\"first\" is %" PRIu64 ", but there are %" PRIu64
                         " samples, counted from 0",
                         first, samples);
    out->first = first;
    out->count = count < samples - first ? count : (uint32_t)(samples - first);
    return EVD_OK;
}

int rows_of(bool has_count, uint32_t count, uint32_t *out, struct evd_error *err)
{
    if (has_count && count > EVD_MAX_ROWS)
        return error_set(err, EVD_E_LIMIT, "count",
                         "\"count\" is at most %u: ask for the rest with \"after\"", EVD_MAX_ROWS);
    *out = has_count ? count : EVD_MAX_ROWS;
    return EVD_OK;
}
