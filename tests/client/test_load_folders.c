/* `evendraw load` of a tree of class folders: the order of os.walk, as torchvision uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loading.h"

/* What ImageFolder does (torchvision 0.14), in its own order of events; prints "class" a sample. */
static const char image_folder[] =
    "import os, sys\n"
    "root, endings = sys.argv[1], tuple(sys.argv[2].split(','))\n"
    "for name in sorted(e.name for e in os.scandir(root) if e.is_dir()):\n"
    "    for at, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):\n"
    "        for file in sorted(files):\n"
    "            if file.lower().endswith(endings):\n"
    "                print(name)\n";

static const char images[] = ".jpg,.jpeg,.png,.ppm,.bmp,.pgm,.tif,.tiff,.webp";

/* The labels and classes that the tool sends must be those that the program above prints. */
static void same_order(const char *arguments, const char *endings)
{
    struct loaded loaded = {0};
    const struct kept_part *part = loaded.kept.part;
    char path[256], line[256], class[258];
    size_t i = 0;
    FILE *file;

    load(&loaded, arguments);
    if (loaded.status != 0)
        fprintf(stderr, "%s: %s\n", arguments, loaded.err);
    assert_int_equal(loaded.status, 0);
    shell("/usr/bin/python3 order.py tree %s > expected", endings);
    snprintf(path, sizeof(path), "%s/expected", folder);
    file = fopen(path, "r");
    for (; fgets(line, sizeof(line), file) != NULL; i++) {
        const char *at = part->classes;
        assert_true(i < part->count);
        for (uint32_t c = 0; c < part->labels[i]; c++)
            at = strchr(at, '|') + 1;
        snprintf(class, sizeof(class), "%.*s\n", (int)strcspn(at, "|"), at);
        assert_string_equal(class, line);
    }
    fclose(file);
    assert_int_equal(i, part->count);
    loaded_free(&loaded);
}

static void trees(void **state)
{
    struct loaded loaded = {0};

    (void)state;
    write_text("order.py", image_folder);
    shell("mkdir -p tree/cat tree/Zebra tree/9 tree/10 tree/.hidden tree/dog-b tree/dog/a/b && "
          "mkdir tree/dog/a-b && "
          "touch tree/cat/x.jpg tree/cat/y.JPG tree/cat/z.Tiff tree/cat/notes.txt tree/cat/jpg "
          "tree/cat/a.png.bak tree/cat/.png tree/Zebra/1.webp tree/9/1.bmp tree/9/2.pgm "
          "tree/10/1.ppm tree/.hidden/1.jpeg tree/dog-b/1.tif tree/dog/a/b/2.png tree/dog/1.png "
          "tree/dog/a-b/3.png tree/loose.jpg tree/dog/4.jpg.mp3 tree/cat/5.mp3 && "
          "mkdir tree/cat/folder.jpg && touch tree/cat/folder.jpg/in.jpg && "
          "ln -s ../../9 tree/dog/a/link && ln -s nowhere tree/dog/broken.png && "
          "ln -s 9 tree/linked && ln -s 1.bmp tree/9/again.bmp");
    same_order("tree", images);
    same_order("tree/ --format folders", images);
    same_order("./tree --extensions .jpg,JPEG,png,ppm,bmp,pgm,tif,tiff,webp", images);
    load(&loaded, "tree");
    assert_string_equal(loaded.kept.part->classes, ".hidden|10|9|Zebra|cat|dog|dog-b|linked|");
    assert_non_null(strstr(loaded.out, "8 classes (in byte order)"));
    loaded_free(&loaded);
    shell("for i in 9 10 Zebra .hidden dog-b; do touch tree/$i/s.mp3; done");
    same_order("tree --extensions=mp3", ".mp3");
}

static void bad_trees(void **state)
{
    (void)state;
    REFUSE("tree --extensions wav", "no file that ends in one of wav", "'.hidden'");
    shell("mkdir -p tree/empty/sub none loop/a && touch loop/a/1.png && ln -s .. loop/a/up");
    REFUSE("tree", "'empty'", "jpg,jpeg,png", "--extensions");
    REFUSE("none", "without folders");
    REFUSE("loop", "loop/a/up", "remove it");
    REFUSE("tree --format csv", "a folder, where a file is needed");
    REFUSE("order.py --format folders", "is a file");
    REFUSE("nowhere", "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),
        cmocka_unit_test(bad_trees),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
