#include "actions/by_hand.h"

#include "actions/common.h"

#include <ctype.h>

void by_hand_quote(struct strbuf *script, const char *text)
{
    script->is_broken = script->is_broken || !text;
    strbuf_addc(script, '\'');
    for (const char *c = text; c && *c; c++) {
        if (*c == '\'')
            strbuf_adds(script, "'\\''");
        else if (c[0] == '$' && c[1] == '{') /* what begins so is a variable that the script needs */
            strbuf_adds(script, "$''");
        else
            strbuf_addc(script, *c);
    }
    strbuf_addc(script, '\'');
}

static void upper_add(struct strbuf *script, const char *name)
{
    for (const char *c = name; *c; c++)
        strbuf_addc(script, isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_');
}

void by_hand_variable(struct strbuf *script, const struct provider *provider, const char *row)
{
    strbuf_adds(script, "${");
    if (isdigit((unsigned char)provider->name[0]))
        strbuf_addc(script, '_');
    upper_add(script, provider->name);
    strbuf_addc(script, '_');
    upper_add(script, row);
    strbuf_addc(script, '}');
}

void by_hand_url(struct strbuf *script, const struct provider *provider, const char *fallback, const char *path)
{
    struct strbuf url = STRBUF_INIT;
    url_base(&url, provider, fallback);
    strbuf_adds(&url, path ? path : "");
    by_hand_quote(script, path ? strbuf_whole(&url) : NULL);
    strbuf_done(&url);
}

void by_hand_expect(struct strbuf *script, const char *text)
{
    strbuf_adds(script, " |\n  tr -d ' \\n\\r\\t' | grep -qF -e ");
    by_hand_quote(script, text);
    strbuf_addc(script, '\n');
}

void by_hand_unknown(struct strbuf *script, const char *what)
{
    strbuf_adds(script, "echo ");
    by_hand_quote(script, what);
    strbuf_adds(script, " >&2\nfalse\n");
}
