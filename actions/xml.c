#include "actions/xml.h"

#include "base/strbuf.h"

#include <expat.h>
#include <string.h>

#define MAX_XML ((size_t)4 * 1024 * 1024)
#define MAX_DEPTH 24
#define MAX_PATH 600
#define MAX_TEXT 8192

struct reader {
    XML_Parser parser;
    xml_element_fn element;
    void *context;
    enum err err;
    const char *problem;
    int depth;
    size_t path_len[MAX_DEPTH + 1];
    size_t text_start[MAX_DEPTH + 1]; /* of each open element in `text` */
    char path[MAX_PATH];
    char text[MAX_TEXT]; /* of all open elements, the innermost last */
    size_t text_len;
};

static void stop(struct reader *reader, enum err err, const char *problem)
{
    if (reader->err == ERR_OK) {
        reader->err = err;
        reader->problem = problem;
    }
    XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = context;
    size_t len = strlen(name), at = reader->path_len[reader->depth];
    (void)attributes;
    if (reader->err != ERR_OK) /* expat may still report what it has read */
        return;
    if (reader->depth == MAX_DEPTH || at + len + 2 > sizeof(reader->path)) {
        stop(reader, ERR_TOO_BIG, "elements nested too deeply");
        return;
    }
    if (reader->depth > 0)
        reader->path[at++] = '/';
    memcpy(reader->path + at, name, len + 1);
    reader->depth++;
    reader->path_len[reader->depth] = at + len;
    reader->text_start[reader->depth] = reader->text_len;
}

static void XMLCALL on_text(void *context, const XML_Char *bytes, int len)
{
    struct reader *reader = context;
    if (reader->err != ERR_OK)
        return;
    if (len < 0 || (size_t)len >= sizeof(reader->text) - reader->text_len) {
        stop(reader, ERR_TOO_BIG, "an element with too much text");
        return;
    }
    memcpy(reader->text + reader->text_len, bytes, (size_t)len);
    reader->text_len += (size_t)len;
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    static const char white[] = " \t\r\n";
    struct reader *reader = context;
    if (reader->err != ERR_OK)
        return;
    char *text = reader->text + reader->text_start[reader->depth];
    (void)name;
    while (reader->text_len > reader->text_start[reader->depth] && strchr(white, reader->text[reader->text_len - 1]))
        reader->text_len--;
    reader->text[reader->text_len] = '\0';
    if (!reader->element(reader->context, reader->path, text + strspn(text, white)))
        stop(reader, ERR_INVALID, "not what was expected");
    reader->text_len = reader->text_start[reader->depth];
    reader->depth--;
    reader->path[reader->path_len[reader->depth]] = '\0';
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                               int has_subset)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_subset;
    stop(context, ERR_INVALID, "a document type, which no answer has");
}

enum err xml_read(const char *bytes, size_t len, xml_element_fn element, void *context, struct errmsg *why)
{
    if (len > MAX_XML)
        return err_set(why, ERR_TOO_BIG, "more than %zu bytes of XML", MAX_XML);
    struct reader reader = {.element = element, .context = context};
    reader.parser = XML_ParserCreate(NULL);
    if (!reader.parser)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
    enum err err = ERR_OK;
    if (XML_Parse(reader.parser, bytes, (int)len, XML_TRUE) != XML_STATUS_OK &&
        XML_GetErrorCode(reader.parser) == XML_ERROR_NO_MEMORY)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    else if (XML_GetErrorCode(reader.parser) != XML_ERROR_NONE)
        err = reader.err != ERR_OK
                  ? err_set(why, reader.err, "%s", reader.problem)
                  : err_set(why, ERR_INVALID, "%s in line %lu", XML_ErrorString(XML_GetErrorCode(reader.parser)),
                            (unsigned long)XML_GetCurrentLineNumber(reader.parser));
    XML_ParserFree(reader.parser);
    return err;
}

void xml_escape(struct strbuf *xml, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '&')
            strbuf_adds(xml, "&amp;");
        else if (*c == '<')
            strbuf_adds(xml, "&lt;");
        else if (*c == '>')
            strbuf_adds(xml, "&gt;");
        else
            strbuf_addc(xml, *c);
    }
}
