/* Reading a provider's XML: every element as a path with its text, in the order in which they end. Knows expat.
 *
 * Hostile input: a document type is refused (so there are no entities but XML's own five), depth, size and text are
 * bounded. Attributes and namespaces are not looked at. No tree is built, and none should be. */
#ifndef TURNOUT_ACTIONS_XML_H
#define TURNOUT_ACTIONS_XML_H

#include "base/err.h"

/* `path` is "Root/Child/Leaf"; `text` is what stood directly in the element, without white space around it ("" when it
 * only has children). Both borrowed. False ends the reading with ERR_INVALID. */
typedef bool (*xml_element_fn)(void *context, const char *path, const char *text);

/* ERR_INVALID (not well-formed, a document type, an encoding that is not known), ERR_TOO_BIG, ERR_NO_MEMORY. */
MUST_CHECK enum err xml_read(const char *bytes, size_t len, xml_element_fn element, void *context, struct errmsg *why);

/* Adds text with what XML needs escaped. */
struct strbuf;
void xml_escape(struct strbuf *xml, const char *text);

#endif
