/* Tokens of job.position, to text and back. Called by replay/position.c. */
#include "codec/token.h"

#include <string.h>

#define PREFIX  "evd1:"
#define NUMBERS 6u
#define BYTES   (NUMBERS * 8u)
#define LETTERS (BYTES / 3u * 4u)

_Static_assert(sizeof(PREFIX) + LETTERS == TOKEN_SIZE, "a token's text");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void token_write(const struct token *token, char *text)
{
    const uint64_t numbers[NUMBERS] = {token->job,   token->checksum, token->generation,
                                       token->epoch, token->step,     token->history};
    char *to = text + strlen(PREFIX);
    uint8_t bytes[BYTES];

    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(numbers[i / 8] >> (i % 8 * 8));
    memcpy(text, PREFIX, strlen(PREFIX));
    for (uint32_t i = 0; i < BYTES; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = alphabet[group >> shift & 63];
    }
    *to = '\0';
}

bool token_read(struct evd_str text, struct token *out)
{
    uint64_t numbers[NUMBERS] = {0};

    if (text.len != strlen(PREFIX) + LETTERS || memcmp(text.data, PREFIX, strlen(PREFIX)) != 0)
        return false;
    for (uint32_t i = 0; i < BYTES; i += 3) {
        uint32_t group = 0;

        for (uint32_t j = 0; j < 4; j++) {
            char letter = text.data[strlen(PREFIX) + i / 3 * 4 + j];
            const char *found = letter ? strchr(alphabet, letter) : NULL;

            if (!found)
                return false;
            group = group << 6 | (uint32_t)(found - alphabet);
        }
        for (uint32_t j = 0; j < 3; j++)
            numbers[(i + j) / 8] |= (uint64_t)(group >> (16 - 8 * j) & 0xff) << ((i + j) % 8 * 8);
    }
    *out = (struct token){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
    return true;
}
