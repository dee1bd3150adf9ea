/* Secrets: literal text, ${env:NAME} and ${file:PATH}, mixed as one likes.
 *
 * No complaint here shows any of the value, only where it was to come from; memory that held it is wiped. */
#include "config/reading.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SECRET ((size_t)64 * 1024)
#define MAX_REFERENCE 1024 /* a name or path in ${...} */

struct secret_text {
    char *bytes; /* MAX_SECRET + 1 */
    size_t len;
};

static void secret_text_done(struct secret_text *s)
{
    if (s->bytes)
        secret_wipe(s->bytes, MAX_SECRET + 1);
    free(s->bytes);
}

struct source_of_secret {
    struct reading *reading;
    const struct node *node;
    const char *key;
};

static bool secret_add(const struct source_of_secret *from, struct secret_text *s, const char *bytes, size_t len)
{
    if (len > MAX_SECRET - s->len) {
        complain(from->reading, from->node, "\"%s\" is longer than %zu bytes; that cannot be the secret meant",
                 from->key, MAX_SECRET);
        return false;
    }
    memcpy(s->bytes + s->len, bytes, len);
    s->len += len;
    return true;
}

/* In place of a secret that is not there: text that can be a token, part of a path, or a secret of Standard Webhooks
 * ("whsec_" and base64), and no two alike. */
static bool secret_add_stand_in(const struct source_of_secret *from, struct secret_text *s)
{
    char text[48];
    int len = snprintf(text, sizeof(text), "whsec_StandsInForASecretNotHere%07d", ++from->reading->config->n_stand_ins);
    return secret_add(from, s, text, (size_t)len);
}

static bool secret_add_env(const struct source_of_secret *from, struct secret_text *s, const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    if (!name[0] || strspn(name, letters) != strlen(name)) {
        complain(from->reading, from->node,
                 "%s, for \"%s\", is not the name of an environment variable; it must be "
                 "letters, digits and \"_\"",
                 shown(name).text, from->key);
        return false;
    }
    const char *value = getenv(name);
    if ((!value || !value[0]) && from->reading->may_stand_in)
        return secret_add_stand_in(from, s);
    if (!value || !value[0]) {
        complain(from->reading, from->node,
                 "environment variable %s, for \"%s\", is %s; set it where turnout is started", name, from->key,
                 value ? "empty" : "not set");
        return false;
    }
    return secret_add(from, s, value, strlen(value));
}

/* ERR_INVALID with why. Reads one byte more than the bound, to tell. */
static enum err file_read(const char *path, char *bytes, size_t room, size_t *ret_len, struct errmsg *why)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return err_set(why, ERR_INVALID, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return err_set(why, ERR_INVALID, "it is not a regular file");
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, bytes + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(why, ERR_INVALID, "%s", strerror(errno));
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return ERR_OK;
}

static bool secret_add_file(const struct source_of_secret *from, struct secret_text *s, const char *name)
{
    struct reading *r = from->reading;
    char path[PATH_MAX];
    int path_len = snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : r->folder, name);
    if (!name[0] || path_len < 0 || (size_t)path_len >= sizeof(path) || !r->may_read_files) {
        complain(r, from->node, "secret file %s, for \"%s\", cannot be used; give the path of a file", shown(name).text,
                 from->key);
        return false;
    }
    CLEANUP(secret_text_done) struct secret_text file = {.bytes = malloc(MAX_SECRET + 1)};
    if (!file.bytes) {
        complain_memory(r);
        return false;
    }
    struct errmsg why;
    enum err err = file_read(path, file.bytes, MAX_SECRET + 1, &file.len, &why);
    if (err != ERR_OK && r->may_stand_in)
        return secret_add_stand_in(from, s);
    if (err != ERR_OK) {
        complain(r, from->node, "secret file %s, for \"%s\", cannot be read: %s; give one that turnout may read",
                 shown(path).text, from->key, why.text);
        return false;
    }
    if (file.len > 0 && file.len <= MAX_SECRET && file.bytes[file.len - 1] == '\n')
        file.len--;
    if (file.len > 0 && file.len < MAX_SECRET && file.bytes[file.len - 1] == '\r')
        file.len--;
    if (file.len == 0) {
        complain(r, from->node, "secret file %s, for \"%s\", is empty; put the secret into it", shown(path).text,
                 from->key);
        return false;
    }
    return secret_add(from, s, file.bytes, file.len);
}

/* Adds one ${...}, which begins at `text`; gives what follows it, NULL after a complaint. */
static const char *secret_add_reference(const struct source_of_secret *from, struct secret_text *s, const char *text)
{
    const bool is_env = strncmp(text, "${env:", 6) == 0;
    const bool is_file = strncmp(text, "${file:", 7) == 0;
    const char *name = text + (is_env ? 6 : 7);
    const char *end = is_env || is_file ? strchr(name, '}') : NULL;
    if (!end || (size_t)(end - name) >= MAX_REFERENCE) {
        complain(from->reading, from->node,
                 "\"%s\" holds a ${ that is neither ${env:NAME} nor ${file:PATH}; write $${ "
                 "for a literal ${",
                 from->key);
        return NULL;
    }
    char reference[MAX_REFERENCE];
    memcpy(reference, name, (size_t)(end - name));
    reference[end - name] = '\0';
    bool is_added = is_env ? secret_add_env(from, s, reference) : secret_add_file(from, s, reference);
    return is_added ? end + 1 : NULL;
}

static bool secret_fill(const struct source_of_secret *from, struct secret_text *s, bool *ret_has_reference)
{
    for (const char *c = from->node->text; *c;) {
        if (strncmp(c, "${", 2) == 0) {
            *ret_has_reference = true;
            c = secret_add_reference(from, s, c);
            if (!c)
                return false;
            continue;
        }
        c += strncmp(c, "$${", 3) == 0;
        size_t len = *c == '$' && c[1] == '{' ? 2 : 1; /* the literal ${ of $${ */
        if (!secret_add(from, s, c, len))
            return false;
        c += len;
    }
    return true;
}

static bool has_control_character(const struct secret_text *s)
{
    for (size_t i = 0; i < s->len; i++) {
        if ((unsigned char)s->bytes[i] < 0x20 || s->bytes[i] == 0x7f)
            return true;
    }
    return false;
}

void secret_read(struct reading *r, const char *key, const struct node *node, struct secret *ret)
{
    if (node->kind == NODE_LIST) {
        complain(r, node, "\"%s\" cannot be a list; give one secret", key);
        return;
    }
    if (node->kind != NODE_TEXT || node->len == 0) {
        complain(r, node, "\"%s\" cannot be %s; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"", key,
                 node->kind == NODE_TEXT ? "empty" : node_kind_text(node->kind));
        return;
    }
    CLEANUP(secret_text_done) struct secret_text s = {.bytes = malloc(MAX_SECRET + 1)};
    if (!s.bytes) {
        complain_memory(r);
        return;
    }
    const struct source_of_secret from = {.reading = r, .node = node, .key = key};
    bool has_reference = false;
    if (!secret_fill(&from, &s, &has_reference))
        return;
    if (has_control_character(&s)) {
        complain(r, node, "\"%s\" holds a line break or another control character; it must be one line", key);
        return;
    }
    if (!has_reference)
        doubt(r, node, "\"%s\" is written out in this file; \"${env:NAME}\" or \"${file:PATH}\" keeps it elsewhere",
              key);
    if (secret_set(ret, s.bytes, s.len) != ERR_OK)
        complain_memory(r);
}

void expect_token(struct reading *r, const char *key, const struct node *node, const struct secret *secret,
                  size_t min_len)
{
    if (!secret_is_set(secret))
        return;
    if (memchr(secret->bytes, ' ', secret->len))
        complain(r, node, "\"%s\" holds a space; a token must be one word", key);
    else if (secret->len < min_len)
        complain(r, node, "\"%s\" is shorter than %zu characters; take a random one, as openssl rand -hex 32 gives",
                 key, min_len);
}
