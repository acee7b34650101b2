/* The store that can be in trouble (trouble.h). */
#include "trouble.h"

#include <sqlite3.h>
#include <stdlib.h>

bool busy;
bool slow;
struct store_op *caught;

int __real_store_submit(struct store *store, struct store_op *op, struct evd_error *err);
int __wrap_store_submit(struct store *store, struct store_op *op, struct evd_error *err);

int __wrap_store_submit(struct store *store, struct store_op *op, struct evd_error *err)
{
    if (busy)
        return error_set(err, EVD_E_BUSY, "store", "too much is queued: try again later");
    if (slow) {
        assert_null(caught);
        caught = op;
        return EVD_OK;
    }
    return __real_store_submit(store, op, err);
}

void trouble_pass_on(struct harness *h)
{
    struct evd_error err;

    assert_non_null(caught);
    assert_int_equal(__real_store_submit(h->store, caught, &err), EVD_OK);
    caught = NULL;
    harness_quiet(h);
}

void trouble_refuse(struct harness *h)
{
    assert_non_null(caught);
    error_set(&caught->error, EVD_E_STORE, "store", "there is no room");
    caught->done(caught);
    caught = NULL;
    harness_pump(h);
}

void use_vfs(const char *name)
{
    sqlite3_vfs_register(sqlite3_vfs_find(name), 1);
}

void trouble_setup(void)
{
    fault_register();
    use_vfs(FAULT_VFS);
}

void trouble_load(struct peer *peer)
{
    json_t *labels = json_array();
    char *chunk;

    for (int i = 0; i < 100; i++)
        json_array_append_new(labels, json_integer(i % 5 == 0));
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", chunk);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
    free(chunk);
    json_decref(labels);
}

size_t trouble_count(struct peer *peer, const char *method, const char *key)
{
    json_t *list = peer_call(peer, method, "[]");
    size_t n = json_array_size(json_object_get(list, key));

    json_decref(list);
    return n;
}

void trouble_query(struct harness *h, const char *sql)
{
    harness_down(h);
    use_vfs("unix");
    sqlite_query(h->path, sql);
    use_vfs(FAULT_VFS);
    harness_up(h);
}

void trouble_job_has(struct peer *peer, const char *job, int steps)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': '%s'}]", job);

    assert_null(json_object_get(info, "failure"));
    assert_int_equal(json_integer_value(json_object_get(info, "steps")), steps);
    json_decref(info);
}
