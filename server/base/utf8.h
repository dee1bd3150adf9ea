/* Text from outside made fit for JSON: providers and operating systems do not always speak UTF-8, and our own cutting
 * of long sentences can split a character. */
#ifndef TURNOUT_BASE_UTF8_H
#define TURNOUT_BASE_UTF8_H

/* Replaces every byte that is not part of well-formed UTF-8, and every control character, by '?'. In place. */
void utf8_clean(char *text);

#endif
