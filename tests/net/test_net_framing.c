/* A frame is what the user of net says: here a line of at most 16 bytes, without NUL. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static const size_t longest = 16;

struct line {
    size_t longest, len;
    bool has_nul;
};

static void line_init(const void *arg, void *scanner)
{
    *(struct line *)scanner = (struct line){.longest = *(const size_t *)arg};
}

static size_t line_scan(void *scanner, const uint8_t *bytes, size_t n, enum net_scan *result)
{
    struct line *line = scanner;

    assert_true(n > 0);
    *result = NET_SCAN_MORE;
    for (size_t i = 0; i < n; i++) {
        line->has_nul = bytes[i] == '\0';
        if (line->has_nul || ++line->len > line->longest) {
            *result = NET_SCAN_BROKEN;
            return i + 1;
        }
        if (bytes[i] == '\n') {
            line->len = 0;
            *result = NET_SCAN_WHOLE;
            return i + 1;
        }
    }
    return n;
}

static void line_error(const void *scanner, struct evd_error *err)
{
    const struct line *line = scanner;

    if (line->has_nul)
        error_set(err, EVD_E_PROTOCOL, "", "a line with NUL");
    else
        error_set(err, EVD_E_LIMIT, "line", "a line of more than %zu bytes", line->longest);
}

static void start(struct server *server)
{
    const struct net_framing lines = {.arg = &longest,
                                      .frame_bytes = longest,
                                      .scanner_bytes = sizeof(struct line),
                                      .init = line_init,
                                      .scan = line_scan,
                                      .error = line_error};

    server_start_with(server, &lines, 10, 0, 0);
    server_listen(server, server->unix_address);
}

/* What begins with the byte 0xa1 is sent back by the harness. */
static void lines_cut_anywhere(void **state)
{
    static const char text[] = "one\n\xa1two\n\n\xa1zyxwvutsrqponm\n";
    const size_t n = sizeof(text) - 1;
    struct server server;
    char answer[21];
    int fd;

    (void)state;
    start(&server);
    fd = peer_connect(server.unix_address);
    for (size_t cut = 1; cut < n; cut++) {
        peer_send(fd, text, cut);
        pump_for(&server, 2);
        peer_send(fd, text + cut, n - cut);
        peer_read(&server, fd, answer, 21);
        assert_memory_equal(answer, "\xa1two\n\xa1zyxwvutsrqponm\n", 21);
        assert_int_equal(server.frames, cut * 4);
        assert_int_equal(server.frame_bytes, cut * n);
    }
    close(fd);
    server_stop(&server);
}

static void broken_lines(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } broken[] = {{"ok\n0123456789abcdefg", 20}, {"ok\n\0ok\n", 7}};
    struct server server;
    char answer[7];

    (void)state;
    start(&server);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        int fd = peer_connect(server.unix_address);

        peer_send(fd, broken[i].bytes, broken[i].n);
        peer_read(&server, fd, answer, 7);
        assert_memory_equal(answer, BROKEN_YOU, 7);
        peer_expect_end(&server, fd);
        close(fd);
        assert_int_equal(server.broken, i + 1);
        assert_int_equal(server.frames, i + 1);
    }
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_cut_anywhere),
        cmocka_unit_test(broken_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
