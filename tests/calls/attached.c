/* Datasets with something attached (attached.h). */
#include "attached.h"

#include <string.h>

void attached_dataset(struct peer *peer)
{
    json_t *answer = peer_call(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    int draft = (int)integer(answer, "draft");

    json_decref(answer);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0, 1, 0, null, 1, 0]}]", draft);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft);
}

int attached_begin(struct peer *peer, const char *name, const char *as)
{
    json_t *answer =
        peer_call(peer, "attachment.create", "[{'dataset': 'd', 'name': '%s', %s}]", name, as);
    int draft = (int)integer(answer, "draft");

    json_decref(answer);
    return draft;
}

void attached_append(struct peer *peer, int draft, const char *rows, const char *distances)
{
    if (*distances)
        peer_do(peer, "attachment.append",
                "[{'draft': %d, 'rows': {'$bin': '%s'}, 'distances': {'$bin': '%s'}}]", draft, rows,
                distances);
    else
        peer_do(peer, "attachment.append", "[{'draft': %d, 'rows': {'$bin': '%s'}}]", draft, rows);
}

json_t *attached_make(struct peer *peer, const char *name, const char *as, const char *rows,
                      const char *distances)
{
    int draft = attached_begin(peer, name, as);

    attached_append(peer, draft, rows, distances);
    return peer_call(peer, "attachment.commit", "[{'draft': %d, 'samples': 6}]", draft);
}

size_t attached_count(struct peer *peer)
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]");
    size_t count = json_array_size(json_object_get(answer, "attachments"));

    json_decref(answer);
    return count;
}

void attached_check(struct peer *peer, const char *name, const char *rows, const char *distances)
{
    json_t *answer =
        peer_call(peer, "attachment.read", "[{'dataset': 'd', 'name': '%s', 'distances': %s}]",
                  name, *distances ? "true" : "false");

    assert_int_equal(integer(answer, "version"), 1);
    assert_int_equal(integer(answer, "samples"), 6);
    assert_int_equal(integer(answer, "first"), 0);
    assert_int_equal(integer(answer, "count"), 6);
    assert_int_equal(integer(answer, "row") * 6 * 2, strlen(rows));
    assert_string_equal(bin(answer, "rows"), rows);
    if (*distances)
        assert_string_equal(bin(answer, "distances"), distances);
    else
        assert_null(json_object_get(answer, "distances"));
    json_decref(answer);
}

void attached_large(struct peer *peer, int samples)
{
    static char labels[8 * 66000 + 1];
    json_t *answer = peer_call(peer, "dataset.create", "[{'name': 'd'}]");
    int draft = (int)integer(answer, "draft");

    json_decref(answer);
    memset(labels, '0', sizeof(labels) - 1);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': {'$bin': '%.*s'}}]", draft,
            8 * samples, labels);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft);
}
