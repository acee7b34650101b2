#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "loading.h"

/* ---- the daemon ---- */

static void copy_text(char *to, size_t size, const msgpack_object *text)
{
    snprintf(to, size, "%.*s", (int)text->via.str.size, text->via.str.ptr);
}

static void keep_names(struct kept_part *part, const msgpack_object *names)
{
    for (uint32_t i = 0; i < names->via.array.size; i++) {
        size_t len = strlen(part->classes);
        copy_text(part->classes + len, sizeof(part->classes) - len, &names->via.array.ptr[i]);
        strcat(part->classes, "|");
    }
}

static void keep_bin(void **to, size_t *count, size_t size, const msgpack_object *bin)
{
    *to = realloc(*to, *count * size + bin->via.bin.size);
    memcpy((char *)*to + *count * size, bin->via.bin.ptr, bin->via.bin.size);
    *count += bin->via.bin.size / size;
}

static void keep_append(struct kept *kept, const msgpack_object *map)
{
    struct kept_part *part = &kept->part[fake_u64(map, "draft") - 1];

    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key, *value = &map->via.map.ptr[i].val;
        char name[16];

        copy_text(name, sizeof(name), key);
        if (strcmp(name, "classes") == 0)
            keep_names(part, value);
        else if (strcmp(name, "labels") == 0)
            keep_bin((void **)&part->labels, &part->count, sizeof(uint32_t), value);
        else if (strcmp(name, "column") == 0)
            copy_text(part->column, sizeof(part->column), value);
        else if (strcmp(name, "weights") == 0)
            keep_bin((void **)&part->weights, &part->weight_count, sizeof(double), value);
    }
}

static void keep_drop(struct kept *kept, const msgpack_object *map)
{
    char name[64];

    copy_text(name, sizeof(name), &map->via.map.ptr[0].val);
    for (uint32_t i = 0; i < kept->drafts; i++)
        kept->part[i].dropped = kept->part[i].dropped || strcmp(kept->part[i].name, name) == 0;
}

static bool keep_message(struct fake *fake, uint64_t *draft)
{
    struct kept *kept = fake->arg;
    const msgpack_object *map = fake->msg.params->via.array.ptr;

    if (str_is(fake->msg.method, "dataset.create")) {
        *draft = ++kept->drafts;
        copy_text(kept->part[*draft - 1].name, sizeof(kept->part[0].name),
                  &map->via.map.ptr[0].val);
    } else if (str_is(fake->msg.method, "dataset.append")) {
        keep_append(kept, map);
    } else if (str_is(fake->msg.method, "dataset.drop")) {
        keep_drop(kept, map);
    } else {
        *draft = fake_u64(map, "draft");
        kept->part[*draft - 1].committed = *draft != kept->refuse_commit;
        return *draft != kept->refuse_commit;
    }
    return true;
}

void keep(struct fake *fake)
{
    uint64_t draft = 0;

    fake_hello(fake);
    while (fake_next(fake)) {
        if (!keep_message(fake, &draft)) {
            fake_error(fake, EVD_E_STORE, "the disk is full");
            continue;
        }
        fake_result(fake);
        pack_key_u64(&fake->pk, "draft", draft);
        pack_key_u64(&fake->pk, "version", 7);
        fake_send(fake);
    }
}

/* ---- files ---- */

char folder[] = "/tmp/evendraw-load-XXXXXX";

int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

void shell(const char *format, ...)
{
    char command[4096];
    int n = snprintf(command, sizeof(command), "cd %s && ", folder);
    va_list ap;

    va_start(ap, format);
    vsnprintf(command + n, sizeof(command) - (size_t)n, format, ap);
    va_end(ap);
    assert_int_equal(system(command), 0);
}

int remove_folder(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

void write_file(const char *name, const void *bytes, size_t n)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    fwrite(bytes, 1, n, file);
    fclose(file);
}

void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void read_file(const char *name, char *text, size_t size)
{
    char path[256];
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
}

/* ---- running the tool ---- */

void load(struct loaded *loaded, const char *arguments)
{
    char command[2048];
    struct fake fake;
    int status;

    fake_start(&fake, keep, &loaded->kept);
    snprintf(command, sizeof(command),
             "cd %s && EVENDRAW_SERVER=%s %s load d %s > stdout 2> stderr", folder, fake.address,
             EVENDRAW, arguments);
    status = system(command);
    fake_stop(&fake);
    loaded->status = WEXITSTATUS(status);
    read_file("stdout", loaded->out, sizeof(loaded->out));
    read_file("stderr", loaded->err, sizeof(loaded->err));
}

void loaded_free(struct loaded *loaded)
{
    for (int i = 0; i < PARTS; i++) {
        free(loaded->kept.part[i].labels);
        free(loaded->kept.part[i].weights);
    }
}

void expect(const char *arguments, const char *classes, const uint32_t *labels, size_t count)
{
    struct loaded loaded = {0};
    const struct kept_part *part = loaded.kept.part;

    load(&loaded, arguments);
    if (loaded.status != 0)
        fprintf(stderr, "%s: %s\n", arguments, loaded.err);
    assert_int_equal(loaded.status, 0);
    assert_true(part->committed);
    assert_string_equal(part->classes, classes);
    assert_int_equal(part->count, count);
    assert_memory_equal(part->labels, labels, count * 4);
    loaded_free(&loaded);
}

void refuse(const char *arguments, const char *const *says)
{
    struct loaded loaded = {0};

    load(&loaded, arguments);
    if (loaded.status != 4)
        fprintf(stderr, "%s: status %d: %s\n", arguments, loaded.status, loaded.err);
    assert_int_equal(loaded.status, 4);
    for (int i = 0; i < PARTS; i++)
        assert_false(loaded.kept.part[i].committed);
    for (; *says != NULL; says++) {
        if (strstr(loaded.err, *says) == NULL)
            fprintf(stderr, "%s: no \"%s\" in: %s\n", arguments, *says, loaded.err);
        assert_non_null(strstr(loaded.err, *says));
    }
    loaded_free(&loaded);
}
