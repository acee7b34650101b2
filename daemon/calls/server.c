/* hello, server.info and strategy.list. */
#include "calls/handlers.h"
#include "sampler/strategy.h"
#include "server/counters.h"

#define SERVER_NAME "evendrawd " EVD_VERSION

static const struct {
    const char *name;
    uint32_t value;
} limits[] = {
    {"depth", EVD_MAX_DEPTH},
    {"nodes", EVD_MAX_NODES},
    {"reply_frame", EVD_MAX_REPLY_FRAME},
    {"name", EVD_MAX_NAME},
    {"classes", EVD_MAX_CLASSES},
    {"batch", EVD_MAX_BATCH},
    {"world_size", EVD_MAX_WORLD},
    {"page", EVD_MAX_PAGE},
    {"rows", EVD_MAX_ROWS},
    /* server.info only: */
    {"jobs", EVD_MAX_JOBS},
    {"datasets", EVD_MAX_DATASETS},
    {"drafts", EVD_MAX_DRAFTS},
    {"works", EVD_MAX_WORKS},
    {"labels", EVD_MAX_LABELS},
    {"attachments", EVD_MAX_ATTACHMENTS},
    {"send_limit", SERVER_SEND_LIMIT},
};
#define LIMITS_ALL   (sizeof(limits) / sizeof(limits[0]))
#define LIMITS_HELLO 9u

static void pack_limits(msgpack_packer *pk, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pack_key_u64(pk, limits[i].name, limits[i].value);
}

int do_hello(struct call *call, const struct params_hello *p)
{
    const struct server_limits *limits_set = &call->server->host.limits;
    struct session *session = call->session;
    msgpack_packer *pk;

    if (p->protocol != EVD_PROTOCOL_VERSION)
        return error_set(&call->err, EVD_E_VERSION, "protocol",
                         "this server speaks protocol %u, not %u: use a client of the same version",
                         EVD_PROTOCOL_VERSION, p->protocol);
    if (name_check(p->client, "client", &call->err) != EVD_OK)
        return call->err.code;
    if (p->has_resume != p->has_resume_key)
        return error_set(&call->err, EVD_E_MISSING_FIELD, p->has_resume ? "resume_key" : "resume",
                         "hello: \"resume\" and \"resume_key\" go together");
    if (session->state != SESSION_FRESH)
        return error_set(&call->err, EVD_E_CONFLICT, "hello", "hello was said already");
    str_copy(session->client, p->client);
    session_enter(session, SESSION_GREETED);
    if (p->has_resume)
        session->previous = session_resume(call->server, p->resume, p->resume_key);
    if (session->previous)
        session_ref(session->previous);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(pk, "server", SERVER_NAME);
    pack_key_u64(pk, "session", session->id);
    pack_key_u64(pk, "resume_key", session->key);
    pack_key_bool(pk, "resumed", session->previous != NULL);
    pack_key_map(pk, "limits");
    pack_limits(pk, LIMITS_HELLO);
    pack_key_u64(pk, "frame", limits_set->frame);
    pack_key_u64(pk, "window", limits_set->window);
    pack_key_u64(pk, "streams", limits_set->streams);
    pack_map_end(pk);
    return answer_end(&call->ticket);
}

/* Damage is told of so many things; of all others in dataset.list and job.list. */
#define DAMAGED_SHOWN 16u

struct damaged {
    msgpack_packer *pk; /* NULL: only count */
    uint32_t count;
};

static void tell_damaged(void *arg, const struct server_thing *thing)
{
    struct damaged *damaged = arg;

    if (!thing->damage || damaged->count++ >= DAMAGED_SHOWN || !damaged->pk)
        return;
    pack_map_begin(damaged->pk);
    if (thing->kind == SERVER_ATTACHMENT) {
        pack_key_cstr(damaged->pk, "dataset", thing->dataset);
        pack_key_cstr(damaged->pk, "attachment", thing->name);
    } else {
        pack_key_cstr(damaged->pk, thing->kind == SERVER_DATASET ? "dataset" : "job", thing->name);
    }
    if (thing->kind != SERVER_JOB)
        pack_key_u64(damaged->pk, "version", thing->version);
    pack_key_cstr(damaged->pk, "damage", thing->damage);
    pack_map_end(damaged->pk);
}

static void pack_damaged(msgpack_packer *pk, const struct server *server)
{
    struct damaged damaged = {NULL, 0};

    server->ops->survey(server->jobs, tell_damaged, &damaged);
    pack_key_u64(pk, "damaged", damaged.count);
    pack_key_array(pk, "damage", damaged.count < DAMAGED_SHOWN ? damaged.count : DAMAGED_SHOWN);
    damaged = (struct damaged){pk, 0};
    server->ops->survey(server->jobs, tell_damaged, &damaged);
}

int do_server_info(struct call *call, const struct params_server_info *p)
{
    const struct server_limits *limits_set = &call->server->host.limits;
    msgpack_packer *pk = answer_begin(&call->ticket);
    struct counters counters;

    (void)p;
    server_count(call->server, &counters);
    pack_key_cstr(pk, "server", SERVER_NAME);
    pack_key_u64(pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_f64(pk, "uptime", counters.uptime);
    pack_key_u64(pk, "connections", counters.connections);
    pack_key_u64(pk, "streams", counters.streams);
    pack_key_u64(pk, "datasets", counters.datasets);
    pack_key_u64(pk, "jobs", counters.jobs);
    pack_key_u64(pk, "memory", counters.memory);
    pack_key_u64(pk, "resident", counters.resident);
    pack_key_map(pk, "holds");
#define PACK(type, name) pack_key_u64(pk, #name, counters.holds.name);
    EVD_PART_holds(PACK)
#undef PACK
        pack_map_end(pk);
    pack_key_u64(pk, "shed", counters.shed);
    pack_damaged(pk, call->server);
    pack_key_map(pk, "store");
    pack_key_u64(pk, "commits", counters.store.commits);
    pack_key_u64(pk, "operations", counters.store.operations);
    pack_key_u64(pk, "queued_bytes", counters.store.queued_bytes);
    pack_key_u64(pk, "file_bytes", counters.store.file_bytes);
    pack_key_bool(pk, "failing", counters.store.failing);
    if (counters.store.failing)
        pack_key_cstr(pk, "failure", counters.store.why.message);
    else
        pack_key_nil(pk, "failure");
    pack_map_end(pk);
    pack_key_map(pk, "works");
    pack_key_u64(pk, "waiting", counters.works_waiting);
    pack_key_u64(pk, "working", counters.works_working);
    pack_map_end(pk);
    pack_key_map(pk, "limits");
    pack_limits(pk, LIMITS_ALL);
#define PACK(name, normal, least, most, meaning) pack_key_u64(pk, #name, limits_set->name);
    SERVER_LIMITS(PACK)
#undef PACK
    pack_key_u64(pk, "memory", limits_set->memory);
    pack_map_end(pk);
    return answer_end(&call->ticket);
}

/* ---- strategy.list ---- */

static void pack_accepts(msgpack_packer *pk, unsigned accepts)
{
    static const char *const words[] = {"number", "text",       "boolean",   "class_map",
                                        "column", "neighbours", "selection", "folds"};

    pack_key_array(pk, "accepts", (size_t)__builtin_popcount(accepts));
    for (unsigned bit = 0; bit < sizeof(words) / sizeof(words[0]); bit++) {
        if (accepts & 1u << bit)
            pack_cstr(pk, words[bit]);
    }
}

static void pack_param(msgpack_packer *pk, const struct strategy_param *param)
{
    pack_map_begin(pk);
    pack_key_cstr(pk, "name", param->name);
    pack_accepts(pk, param->accepts);
    if (param->default_value && param->default_value[0])
        pack_key_cstr(pk, "default", param->default_value);
    pack_key_bool(pk, "required", !param->default_value);
    pack_key_cstr(pk, "help", param->help);
    pack_map_end(pk);
}

static void pack_kind(msgpack_packer *pk, const struct strategy_kind *kind)
{
    uint32_t count = 0;

    while (count < STRATEGY_MAX_PARAMS && kind->params[count].name)
        count++;
    pack_map_begin(pk);
    pack_key_cstr(pk, "kind", kind->name);
    pack_key_cstr(pk, "meaning", kind->meaning);
    pack_key_cstr(pk, "example", kind->example);
    pack_key_array(pk, "parameters", count);
    for (uint32_t i = 0; i < count; i++)
        pack_param(pk, &kind->params[i]);
    pack_map_end(pk);
}

int do_strategy_list(struct call *call, const struct params_strategy_list *p)
{
    msgpack_packer *pk = answer_begin(&call->ticket);
    uint32_t count = 0;

    (void)p;
    while (strategy_kinds[count])
        count++;
    pack_key_array(pk, "strategies", count);
    for (uint32_t i = 0; i < count; i++)
        pack_kind(pk, strategy_kinds[i]);
    pack_key_array(pk, "common", STRATEGY_VALUES - STRATEGY_MAX_PARAMS);
    for (int i = STRATEGY_MAX_PARAMS; i < STRATEGY_VALUES; i++)
        pack_param(pk, strategy_param(strategy_kinds[0], i));
    return answer_end(&call->ticket);
}
