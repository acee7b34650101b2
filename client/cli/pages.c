#include "cli.h"

/* Appends what `page` has in each of the arrays; how many classes it had (the first one is always
 * there), or -1 without memory. */
static int append_page(json_t *answer, const json_t *page, const char *const *arrays)
{
    int count = (int)json_array_size(json_object_get(page, arrays[0]));

    for (; *arrays != NULL; arrays++) {
        json_t *more = json_object_get(page, *arrays);
        if (json_is_array(more) && json_array_extend(json_object_get(answer, *arrays), more) < 0)
            return -1;
    }
    return count;
}

json_t *pages_call(struct cli *cli, const char *method, json_t *params, const char *const *arrays)
{
    json_t *answer = cli_call(cli, method, json_copy(params));
    size_t got = json_array_size(json_object_get(answer, arrays[0]));

    while (answer != NULL && got > 0 && got < field_u64(answer, "classes")) {
        json_t *page;
        int count = -1;

        json_object_set_new(params, "first", json_integer((json_int_t)got));
        if (json_object_get(params, "dataset") != NULL) /* the newest may be another by now */
            json_object_set(params, "version", json_object_get(answer, "version"));
        page = cli_call(cli, method, json_copy(params));
        if (page != NULL)
            count = append_page(answer, page, arrays);
        json_decref(page);
        if (count <= 0) {
            if (page != NULL)
                cli_error(cli, EXIT_REFUSED, "%s: the answer ends after %zu classes: try again",
                          method, got);
            json_decref(answer);
            answer = NULL;
        }
        got += count > 0 ? (size_t)count : 0;
    }
    json_decref(params);
    return answer;
}
