/*
 * Where the members of the public structs lie. Bindings, which declare the structs once more in
 * their own language, ask when they load the library.
 */
#include <evendraw.h>
#include <stddef.h>

struct member {
    const char *name;
    size_t offset, size;
};

#define WHOLE(type)          #type, 0, sizeof(type)
#define MEMBER(type, member) #type "." #member, offsetof(type, member), sizeof(((type *)0)->member)

/* Every struct of evendraw.h that has members, with all of those. */
static const struct member places[] = {
    {WHOLE(evd_client_options)},
    {MEMBER(evd_client_options, client_name)},
    {MEMBER(evd_client_options, time_limit_ms)},
    {MEMBER(evd_client_options, reconnect_ms)},
    {WHOLE(evd_counters)},
    {MEMBER(evd_counters, reconnects)},
    {MEMBER(evd_counters, repeated)},
    {MEMBER(evd_counters, late_acks)},
    {WHOLE(evd_stream_options)},
    {MEMBER(evd_stream_options, job)},
    {MEMBER(evd_stream_options, rank)},
    {MEMBER(evd_stream_options, world_size)},
    {MEMBER(evd_stream_options, window)},
    {MEMBER(evd_stream_options, columns)},
    {MEMBER(evd_stream_options, flags)},
    {WHOLE(evd_stream_info)},
    {MEMBER(evd_stream_info, job)},
    {MEMBER(evd_stream_info, dataset)},
    {MEMBER(evd_stream_info, version)},
    {MEMBER(evd_stream_info, classes)},
    {MEMBER(evd_stream_info, samples)},
    {MEMBER(evd_stream_info, batch_size)},
    {MEMBER(evd_stream_info, rank)},
    {MEMBER(evd_stream_info, world_size)},
    {MEMBER(evd_stream_info, window)},
    {MEMBER(evd_stream_info, generation)},
    {MEMBER(evd_stream_info, revision)},
    {MEMBER(evd_stream_info, epoch)},
    {MEMBER(evd_stream_info, step)},
    {MEMBER(evd_stream_info, steps)},
    {MEMBER(evd_stream_info, first_epoch)},
    {MEMBER(evd_stream_info, first_step)},
    {MEMBER(evd_stream_info, seed)},
    {MEMBER(evd_stream_info, announced_revision)},
    {MEMBER(evd_stream_info, announced_epoch)},
    {MEMBER(evd_stream_info, announced_step)},
    {MEMBER(evd_stream_info, ended)},
    {WHOLE(evd_batch)},
    {MEMBER(evd_batch, epoch)},
    {MEMBER(evd_batch, step)},
    {MEMBER(evd_batch, generation)},
    {MEMBER(evd_batch, revision)},
    {MEMBER(evd_batch, redelivered)},
    {MEMBER(evd_batch, n)},
    {MEMBER(evd_batch, index)},
    {MEMBER(evd_batch, label)},
    {MEMBER(evd_batch, probability)},
    {MEMBER(evd_batch, repeat)},
    {MEMBER(evd_batch, augment_seed)},
    {WHOLE(evd_neighbours_options)},
    {MEMBER(evd_neighbours_options, features)},
    {MEMBER(evd_neighbours_options, labels)},
    {MEMBER(evd_neighbours_options, n)},
    {MEMBER(evd_neighbours_options, d)},
    {MEMBER(evd_neighbours_options, k)},
    {MEMBER(evd_neighbours_options, type)},
    {MEMBER(evd_neighbours_options, metric)},
    {MEMBER(evd_neighbours_options, scope)},
    {MEMBER(evd_neighbours_options, of_class)},
    {MEMBER(evd_neighbours_options, threads)},
    {MEMBER(evd_neighbours_options, progress)},
    {MEMBER(evd_neighbours_options, arg)},
    {MEMBER(evd_neighbours_options, cancel)},
    {MEMBER(evd_neighbours_options, partial)},
    {WHOLE(evd_neighbours_result)},
    {MEMBER(evd_neighbours_result, message)},
    {MEMBER(evd_neighbours_result, memory)},
    {MEMBER(evd_neighbours_result, features)},
    {MEMBER(evd_neighbours_result, samples)},
    {MEMBER(evd_neighbours_result, doubtful)},
    {MEMBER(evd_neighbours_result, short_classes)},
    {MEMBER(evd_neighbours_result, short_class)},
    {MEMBER(evd_neighbours_result, short_members)},
    {MEMBER(evd_neighbours_result, resumed)},
    {WHOLE(evd_select_options)},
    {MEMBER(evd_select_options, features)},
    {MEMBER(evd_select_options, labels)},
    {MEMBER(evd_select_options, n)},
    {MEMBER(evd_select_options, d)},
    {MEMBER(evd_select_options, classes)},
    {MEMBER(evd_select_options, type)},
    {MEMBER(evd_select_options, metric)},
    {MEMBER(evd_select_options, method)},
    {MEMBER(evd_select_options, targets)},
    {MEMBER(evd_select_options, target_list)},
    {MEMBER(evd_select_options, target_counts)},
    {MEMBER(evd_select_options, target_count)},
    {MEMBER(evd_select_options, k)},
    {MEMBER(evd_select_options, vote)},
    {MEMBER(evd_select_options, max_iterations)},
    {MEMBER(evd_select_options, allow_minority)},
    {MEMBER(evd_select_options, candidates)},
    {MEMBER(evd_select_options, threshold)},
    {MEMBER(evd_select_options, first)},
    {MEMBER(evd_select_options, first_count)},
    {MEMBER(evd_select_options, seed)},
    {MEMBER(evd_select_options, seeds)},
    {MEMBER(evd_select_options, threads)},
    {MEMBER(evd_select_options, probabilities)},
    {MEMBER(evd_select_options, progress)},
    {MEMBER(evd_select_options, arg)},
    {MEMBER(evd_select_options, cancel)},
    {WHOLE(evd_select_result)},
    {MEMBER(evd_select_result, message)},
    {MEMBER(evd_select_result, warning)},
    {MEMBER(evd_select_result, samples)},
    {MEMBER(evd_select_result, kept)},
    {MEMBER(evd_select_result, smallest)},
    {MEMBER(evd_select_result, iterations)},
    {MEMBER(evd_select_result, searches)},
};

const char *evd_layout(size_t i, size_t *offset, size_t *size)
{
    if (i >= sizeof(places) / sizeof(places[0]))
        return NULL;
    *offset = places[i].offset;
    *size = places[i].size;
    return places[i].name;
}
