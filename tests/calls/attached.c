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
