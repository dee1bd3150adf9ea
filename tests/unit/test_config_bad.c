/* What is wrong with a configuration, word for word and with its place. A "*" at the end of an expected line stands for
 * words that belong to somebody else: an action's help, the C library. */
#include "test.h"

#include "base/cleanup.h"
#include "config/reading.h"

#include <stdlib.h>

#define SITES "    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"
#define TRIGGER "    trigger: {mode: manual}\n"
#define PLAYBOOK "    playbook: [{action: http.check, url: 'http://x/'}]\n"
#define HEAD "services:\n  s:\n"
#define SERVICE HEAD SITES TRIGGER PLAYBOOK
#define SOURCES "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}}\n"
#define PROVIDERS                                                                                                      \
    "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}, ov: {kind: ovh, application_key: '${env:T_TOKEN}', "     \
    "application_secret: '${env:T_TOKEN}', consumer_key: '${env:T_TOKEN}'}}\n"

#define NETWORK(column, text)                                                                                          \
    "1:" #column ": \"from\" cannot be \"" text "\"; it must be an IP address, or ADDRESS/PREFIX without bits behind " \
    "the prefix, or a list of them\n"

struct bad {
    const char *yaml;
    const char *errors; /* one per line */
};

static const struct bad top[] = {
    {"[]\n", "1:1: the file cannot be a list; it must be a mapping with \"services\" and more\n"},
    {"text\n", "1:1: the file cannot be text; it must be a mapping with \"services\" and more\n"},
    {"~\n", "1:1: the file cannot be nothing; it must be a mapping with \"services\" and more\n"},
    {"{}\n", "1:1: \"services\" is missing; without one there is nothing to protect\n"},
    {"services:\n", "1:10: there cannot be 0 services; give 1 to 10000\n"},
    {"services: []\n", "1:11: \"services\" cannot be a list; it must be a mapping\n"},
    {"services: {s: 1}\n", "1:15: \"s\" cannot be text; it must be a mapping\n"},
    {"sevrices: {}\n" SERVICE, "1:1: unknown key \"sevrices\"; did you mean \"services\"?\n"},
    {"include: other.yaml\n"
     "notify: []\n"
     "alerts: []\n"
     "templates: {}\n"
     "defaults: {}\n" SERVICE,
     "1:1: key \"include\" is not supported yet; remove it\n"
     "2:1: key \"notify\" is not supported yet; remove it\n"
     "3:1: key \"alerts\" is not supported yet; remove it\n"
     "4:1: key \"templates\" is not supported yet; remove it\n"
     "5:1: key \"defaults\" is not supported yet; remove it\n"},
    {"keep: {alerts: 29d, deliveries: 23h}\n" SERVICE,
     "1:16: \"alerts\" cannot be \"29d\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 30d to 366d\n"
     "1:33: \"deliveries\" cannot be \"23h\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1d to "
     "366d\n"},
    {"keep: {alerts: 367d, deliveries: '40d', audit: 1d}\n" SERVICE,
     "1:16: \"alerts\" cannot be \"367d\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 30d to 366d\n"
     "1:34: \"deliveries\" cannot be the text \"40d\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1d "
     "to 366d, without quotes\n"
     "1:41: unknown key \"audit\"; it can be alerts or deliveries\n"},
    {"keep: 30d\n" SERVICE, "1:7: \"keep\" cannot be text; it must be a mapping\n"},
    {"databse: x\n" SERVICE, "1:1: unknown key \"databse\"; did you mean \"database\"?\n"},
    {"colour: red\n" SERVICE, "1:1: unknown key \"colour\"; it can be database, server, keep, operators, sources, "
                              "providers, sites, services, freeze or flood_guard\n"},
    {"database: ''\n" SERVICE, "1:11: \"database\" cannot be \"\"; it must be text of 1 to 1024 bytes\n"},
    {"database: [x]\n" SERVICE, "1:11: \"database\" cannot be a list; it must be text of 1 to 1024 bytes\n"},
    {"database: ~\n" SERVICE, "1:11: \"database\" cannot be nothing; it must be text of 1 to 1024 bytes\n"},
    {"database: '${env:T_TOKEN}'\n" SERVICE, "1:11: \"database\" cannot take ${env:...} or ${file:...}: they give "
                                             "secrets, for keys that are secret; write the value itself\n"},
    {"database: '${to.ip}.db'\n" SERVICE,
     "1:11: \"database\" cannot hold ${...}: only the steps of a playbook are filled in; write $${ for a literal ${\n"},
    {"server: here\n" SERVICE, "1:9: \"server\" cannot be text; it must be a mapping\n"},
    {"server: {hooks: localhost:80}\n" SERVICE,
     "1:17: \"hooks\" cannot be \"localhost:80\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"},
    {"server: {api: '127.0.0.1'}\n" SERVICE,
     "1:15: \"api\" cannot be \"127.0.0.1\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"},
    {"server: {api: '127.0.0.1:65536'}\n" SERVICE,
     "1:15: \"api\" cannot be \"127.0.0.1:65536\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"},
    {"server: {hooks: '::1:80'}\n" SERVICE,
     "1:17: \"hooks\" cannot be \"::1:80\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"},
    {"server: {hooks: '[::1]:80', api: '[::1]:80'}\n" SERVICE,
     "1:34: \"hooks\" and \"api\" are both \"[::1]:80\"; each needs an address of its own\n"},
    {"server: {hooks: 127.0.0.1:8080}\n" SERVICE,
     "1:17: \"hooks\" and \"api\" are both \"127.0.0.1:8080\"; each needs an address of its own\n"},
    {"server: {kill_switch: /run/stop, site: gra, reserve: 1}\n" SERVICE,
     "1:45: key \"reserve\" is not supported yet; remove it\n"},
    {"server: {tls: {certificate: a.pem, clients: x}}\n" SERVICE,
     "1:15: \"key\" is missing; it must be a path: PEM file with the certificate's private key\n"
     "1:36: unknown key \"clients\"; it can be certificate, key, hooks_clients or api_clients\n"},
    {"server: {tls: on, hooks_rate: 0, api_rate: many}\n" SERVICE,
     "1:15: \"tls\" cannot be text; it must be a mapping\n"
     "1:31: \"hooks_rate\" cannot be \"0\"; it must be a whole number from 1 to 1000000\n"
     "1:44: \"api_rate\" cannot be \"many\"; it must be a whole number from 1 to 1000000\n"},
    {"server: {trusted_proxies: [10.0.0.0/8, 10.0.0.1/8, proxy]}\n" SERVICE,
     "1:40: \"trusted_proxies\" cannot be \"10.0.0.1/8\"; it must be an IP address, or ADDRESS/PREFIX without bits "
     "behind the prefix, or a list of them\n"
     "1:52: \"trusted_proxies\" cannot be \"proxy\"; it must be an IP address, or ADDRESS/PREFIX without bits behind "
     "the prefix, or a list of them\n"},
    {"server: {hoks: '127.0.0.1:1'}\n" SERVICE, "1:10: unknown key \"hoks\"; did you mean \"hooks\"?\n"},
    {"server: {api: !!str 1, hooks: 8081}\n" SERVICE,
     "1:15: \"api\" cannot be \"1\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"
     "1:31: \"hooks\" cannot be \"8081\"; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers\n"},
};

static const struct bad operators[] = {
    {"operators: {name: x}\n" SERVICE, "1:12: \"operators\" cannot be a mapping; it must be a list\n"},
    {"operators: [x]\n" SERVICE, "1:13: an element of \"operators\" cannot be text; it must be a mapping\n"},
    {"operators: [{}]\n" SERVICE,
     "1:13: \"name\" is missing; it must be text: who it is, for the audit log\n"
     "1:13: \"role\" is missing; it must be one of viewer, approver, operator: viewer sees everything, approver may "
     "also say "
     "yes or no to a run that waits, operator may also act\n"
     "1:13: \"token\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\": what the operator's "
     "requests bear\n"},
    {"operators:\n"
     "  - {name: a, role: operator, token: '${env:T_TOKEN}'}\n"
     "  - {name: a, role: viewer, token: '${env:T_OTHER}'}\n" SERVICE,
     "3:5: operator \"a\" is there already, at line 2, column 5; names must differ\n"},
    {"operators:\n"
     "  - {name: a, role: operator, token: '${env:T_TOKEN}'}\n"
     "  - {name: b, role: viewer, token: '${env:T_TOKEN}'}\n" SERVICE,
     "3:5: the token is that of the operator at line 2, column 5; each needs a token of their own\n"},
    {"operators: [{name: a, role: admin, token: '${env:T_TOKEN}'}]\n" SERVICE,
     "1:29: \"role\" cannot be \"admin\"; it must be one of viewer, approver, operator\n"},
    {"operators: [{name: 'a b', role: viewer, token: '${env:T_TOKEN}'}]\n" SERVICE,
     "1:20: \"a b\" cannot be the name of an operator; it must be up to 63 letters, digits, \"_\", \".\" and \"-\", "
     "and begin with a letter or digit\n"},
    {"operators: [{name: a, role: viewer, token: short}]\n" SERVICE,
     "1:44: \"token\" is shorter than 16 characters; take a random one, as openssl rand -hex 32 gives\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T_SPACES}'}]\n" SERVICE,
     "1:44: \"token\" holds a space; a token must be one word\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T_MISSING}'}]\n" SERVICE,
     "1:44: environment variable T_MISSING, for \"token\", is not set; set it where turnout is started\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T_EMPTY}'}]\n" SERVICE,
     "1:44: environment variable T_EMPTY, for \"token\", is empty; set it where turnout is started\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T_LINES}'}]\n" SERVICE,
     "1:44: \"token\" holds a line break or another control character; it must be one line\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T-TOKEN}'}]\n" SERVICE,
     "1:44: \"T-TOKEN\", for \"token\", is not the name of an environment variable; it must be letters, digits and "
     "\"_\"\n"},
    {"operators: [{name: a, role: viewer, token: '${env:T_TOKEN'}]\n" SERVICE,
     "1:44: \"token\" holds a ${ that is neither ${env:NAME} nor ${file:PATH}; write $${ for a literal ${\n"},
    {"operators: [{name: a, role: viewer, token: '${evn:T_TOKEN}'}]\n" SERVICE,
     "1:44: \"token\" holds a ${ that is neither ${env:NAME} nor ${file:PATH}; write $${ for a literal ${\n"},
    {"operators: [{name: a, role: viewer, token: '${file:/nowhere/token}'}]\n" SERVICE,
     "1:44: secret file \"/nowhere/token\", for \"token\", cannot be read: *\n"},
    {"operators: [{name: a, role: viewer, token: '${file:/tmp}'}]\n" SERVICE,
     "1:44: secret file \"/tmp\", for \"token\", cannot be read: it is not a regular file; give one that turnout may "
     "read\n"},
    {"operators: [{name: a, role: viewer, token: ['${env:T_TOKEN}']}]\n" SERVICE,
     "1:44: \"token\" cannot be a list; give one secret\n"},
    {"operators: [{name: a, role: viewer, token: {}}]\n" SERVICE,
     "1:44: \"token\" cannot be a mapping; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"},
    {"operators: [{name: a, role: viewer, token: ''}]\n" SERVICE,
     "1:44: \"token\" cannot be empty; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"},
    {"operators: [{name: a, role: viewer, token: ~}]\n" SERVICE,
     "1:44: \"token\" cannot be nothing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"},
    {"operators: [{nmae: a, role: viewer, token: '${env:T_TOKEN}'}]\n" SERVICE,
     "1:13: \"name\" is missing; it must be text: who it is, for the audit log\n"
     "1:14: unknown key \"nmae\"; did you mean \"name\"?\n"},
};

static const struct bad outside[] = {
    {"sources: []\n" SERVICE, "1:10: \"sources\" cannot be a list; it must be a mapping\n"},
    {"sources: {am: x}\n" SERVICE, "1:15: \"am\" cannot be text; it must be a mapping\n"},
    {"sources: {am: {}}\n" SERVICE, "1:15: \"kind\" is missing; it says what this is\n"},
    {"sources: {am: {kind: alertmanger, bearer: x}}\n" SERVICE,
     "1:22: unknown kind of source \"alertmanger\"; did you mean \"alertmanager\"?\n"},
    {"sources: {am: {kind: ''}, n: {kind: nagios}, t: {kind: text, colour: red}}\n" SERVICE,
     "1:22: unknown kind of source \"\"; it can be *\n"
     "1:37: unknown kind of source \"nagios\"; it can be *\n"
     "1:56: unknown kind of source \"text\"; it can be *\n"},
    {"sources: {am: {kind: alertmanager}}\n" SERVICE,
     "1:15: the source has no credential; give it \"bearer\", \"basic\" or \"path_token\"\n"},
    {"sources: {am: {kind: alertmanager, from: 192.0.2.1, rate: 10}}\n" SERVICE,
     "1:15: the source has no credential; give it \"bearer\", \"basic\" or \"path_token\"\n"},
    {"sources: {am: {kind: alertmanager, token: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:15: the source has no credential; give it \"bearer\", \"basic\" or \"path_token\"\n"
     "1:36: unknown key \"token\"; it can be bearer, basic, path_token, from, rate*\n"},
    {"sources: {am: {kind: alertmanager, path_tokn: '${env:T_TOKEN}', bearer: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:36: unknown key \"path_tokn\"; did you mean \"path_token\"?\n"},
    {"sources: {'a/m': {kind: alertmanager, bearer: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:11: \"a/m\" cannot be the name of a source; it must be up to 63 letters, digits, \"_\", \".\" and \"-\", and "
     "begin with a letter or digit\n"},
    {"sources: {am: {kind: alertmanager, basic: {user: 'a:b', password: '${env:T_TOKEN}'}}}\n" SERVICE,
     "1:50: \"user\" holds a colon, which basic authentication cannot carry\n"},
    {"sources: {am: {kind: alertmanager, basic: {user: a}}}\n" SERVICE,
     "1:43: \"password\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\": that deliveries must "
     "bear\n"},
    {"sources: {am: {kind: alertmanager, basic: text}}\n" SERVICE,
     "1:43: \"basic\" cannot be text; it must be a mapping\n"},
    {"sources: {am: {kind: alertmanager, basic: {user: a, pasword: x, password: '${env:T_TOKEN}'}}}\n" SERVICE,
     "1:53: unknown key \"pasword\"; did you mean \"password\"?\n"},
    {"sources: {am: {kind: alertmanager, basic: []}}\n" SERVICE,
     "1:43: \"basic\" cannot be a list of 0; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, basic: ~}}\n" SERVICE,
     "1:43: \"user\" is missing; it must be text of 1 to 255 bytes: that deliveries must bear\n"
     "1:43: \"password\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\": that deliveries must "
     "bear\n"},
    {"sources: {am: {kind: alertmanager, basic: [x, {user: a}, {user: 'b:', password: '${env:T_TOKEN}'}, {user: c, "
     "password: ['${env:T_TOKEN}']}, {user: d, password: '${env:T_MISSING}'}]}}\n" SERVICE,
     "1:44: an element of \"basic\" cannot be text; it must be a mapping\n"
     "1:47: \"password\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\": that deliveries must "
     "bear\n"
     "1:65: \"user\" holds a colon, which basic authentication cannot carry\n"
     "1:120: \"password\" cannot be a list; give one secret\n"
     "1:161: environment variable T_MISSING, for \"password\", is not set; set it where turnout is started\n"},
    {"sources: {am: {kind: alertmanager, basic: [{}, {}, {}, {}, {}, {}, {}, {}, {}]}}\n" SERVICE,
     "1:43: \"basic\" cannot be a list of 9; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, bearer: []}}\n" SERVICE,
     "1:44: \"bearer\" cannot be a list of 0; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, bearer: [a, b, c, d, e, f, g, h, i]}}\n" SERVICE,
     "1:44: \"bearer\" cannot be a list of 9; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, bearer: ['${env:T_TOKEN}', '', '${env:T_SPACES}', [x], {}, "
     "'${env:T_MISSING}', ~]}}\n" SERVICE,
     "1:63: \"bearer\" cannot be empty; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"
     "1:67: \"bearer\" holds a space; a token must be one word\n"
     "1:86: \"bearer\" cannot be a list; give one secret\n"
     "1:91: \"bearer\" cannot be a mapping; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"
     "1:95: environment variable T_MISSING, for \"bearer\", is not set; set it where turnout is started\n"
     "1:115: \"bearer\" cannot be nothing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"},
    {"sources: {am: {kind: alertmanager, path_token: []}}\n" SERVICE,
     "1:48: \"path_token\" cannot be a list of 0; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, path_token: [a, b, c, d, e, f, g, h, i]}}\n" SERVICE,
     "1:48: \"path_token\" cannot be a list of 9; it must hold 1 to 8\n"},
    {"sources: {am: {kind: alertmanager, path_token: a/b}}\n" SERVICE,
     "1:48: \"path_token\" holds a character that a URL cannot carry as it is; it must be letters, digits, \"-\", "
     "\".\", \"_\" and \"~\"\n"},
    {"sources: {am: {kind: alertmanager, path_token: [Az09-._~, 'a?b', 'a%2fb', 'a#b', 'é', 'a+b', 'a:b', 'a b']}}\n"
     "" SERVICE,
     "1:59: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:66: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:75: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:82: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:87: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:94: \"path_token\" holds a character that a URL cannot carry*\n"
     "1:101: \"path_token\" holds a space; a token must be one word\n"
     "1:101: \"path_token\" holds a character that a URL cannot carry*\n"},
    {"sources: {am: {kind: alertmanager, path_token: {}}}\n" SERVICE,
     "1:48: \"path_token\" cannot be a mapping; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"\n"},
    {"sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}', from: [192.0.2.1/24, 2001:db8::1/32, 192.0.2.0/33, "
     "10.0.0.0/08, '2001:db8::/129', example.com, '', 192.0.2.0/, '[::1]']}}\n" SERVICE,
     NETWORK(69, "192.0.2.1/24") NETWORK(83, "2001:db8::1/32") NETWORK(99, "192.0.2.0/33") NETWORK(113, "10.0.0.0/08")
         NETWORK(126, "2001:db8::/129") NETWORK(144, "example.com") NETWORK(157, "") NETWORK(161, "192.0.2.0/")
             NETWORK(173, "[::1]")},
    {"sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}', from: []}}\n" SERVICE,
     "1:68: \"from\" cannot be a list of 0; it must hold 1 to 100\n"},
    {"sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}', from: {}}}\n" SERVICE,
     "1:68: \"from\" cannot be a mapping; it must be an IP address, or ADDRESS/PREFIX without bits behind the prefix, "
     "or a list of them\n"},
    {"sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}', from: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:68: \"from\" cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; write the "
     "value itself\n"},
    {"sources: {a: {kind: alertmanager, bearer: '${env:T_TOKEN}', rate: 0}, b: {kind: alertmanager, bearer: "
     "'${env:T_TOKEN}', rate: 1000001}, c: {kind: alertmanager, bearer: '${env:T_TOKEN}', rate: 10/s}, d: {kind: "
     "alertmanager, bearer: '${env:T_TOKEN}', rate: '10'}}\n" SERVICE,
     "1:67: \"rate\" cannot be \"0\"; it must be a whole number from 1 to 1000000\n"
     "1:127: \"rate\" cannot be \"1000001\"; it must be a whole number from 1 to 1000000\n"
     "1:193: \"rate\" cannot be \"10/s\"; it must be a whole number from 1 to 1000000\n"
     "1:256: \"rate\" cannot be the text \"10\"; it must be a whole number from 1 to 1000000, without quotes\n"},
    {"sources: {am: {kind: [alertmanager], bearer: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:22: \"kind\" cannot be a list; it must be text\n"},
    {"providers: {li: {kind: linod}}\n" SERVICE,
     "1:24: unknown kind of provider \"linod\"; did you mean \"linode\"?\n"},
    {"providers: {li: {}}\n" SERVICE, "1:17: \"kind\" is missing; it says what this is\n"},
    {"providers: {li: {kind: linode}}\n" SERVICE,
     "1:17: \"token\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\"*\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', tokn: x}}\n" SERVICE,
     "1:57: unknown key \"tokn\"; did you mean \"token\"?\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', url: 'ftp://x/'}}\n" SERVICE,
     "1:62: \"url\" cannot be \"ftp://x/\"; it must be an http:// or https:// URL without user information and "
     "fragment\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', url: 'https://me:hunter2@x/'}}\n" SERVICE,
     "1:62: \"url\" cannot hold user information; it must be an http:// or https:// URL without user information and "
     "fragment\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', url: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:62: \"url\" cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; write the "
     "value itself\n"},
    {"providers: {ov: {kind: ovh, endpoint: ovh-uk, application_key: '${env:T_TOKEN}', application_secret: "
     "'${env:T_TOKEN}', consumer_key: '${env:T_TOKEN}'}}\n" SERVICE,
     "1:39: \"endpoint\" cannot be \"ovh-uk\"; *\n"},
    {"providers: {aws: {kind: aws, access_key_id: '${env:T_TOKEN}', secret_access_key: '${env:T_TOKEN}', urls: "
     "{dynamodb: 'http://x'}}}\n" SERVICE,
     "1:100: key \"urls\" is not supported yet; remove it\n"},
};

static const struct bad services[] = {
    {"services: {'': {}}\n",
     "1:12: \"\" cannot be the name of a service; it must be up to 63 letters, digits, \"_\", \".\" and \"-\", and "
     "begin with a letter or digit\n"
     "1:16: \"sites\" is missing; a service needs at least two, each as NAME: {address: ...}\n"},
    {HEAD "    sites: {}\n" TRIGGER PLAYBOOK, "3:12: a service cannot have 0 sites; it needs 2 to 16\n"},
    {HEAD "    sites: {a: {}}\n" TRIGGER PLAYBOOK, "3:12: a service cannot have 1 site; it needs 2 to 16\n"},
    {HEAD "    sites: [a, b]\n" TRIGGER PLAYBOOK, "3:12: \"sites\" cannot be a list; it must be a mapping\n"},
    {HEAD TRIGGER PLAYBOOK, "3:5: \"sites\" is missing; a service needs at least two, each as NAME: {address: ...}\n"},
    {HEAD "    sites: {s0: {}, s1: {}, s2: {}, s3: {}, s4: {}, s5: {}, s6: {}, s7: {}, s8: {}, s9: {}, s10: {}, s11: "
          "{}, s12: {}, s13: {}, s14: {}, s15: {}, s16: {}}\n" TRIGGER PLAYBOOK,
     "3:12: a service cannot have 17 sites; it needs 2 to 16\n"},
    {HEAD "    sites: {moving: {}, active: {}, 'a b': {}, -x: {}}\n" TRIGGER PLAYBOOK,
     "3:13: \"moving\" cannot be the name of a site, since it is a state; choose another\n"
     "3:25: \"active\" cannot be the name of a site, since it is a state; choose another\n"
     "3:37: \"a b\" cannot be the name of a site; it must be up to 63 letters, digits, \"_\", \".\" and \"-\", and "
     "begin with a letter or digit\n"
     "3:48: \"-x\" cannot be the name of a site; it must be up to 63 letters, digits, \"_\", \".\" and \"-\", and "
     "begin with a letter or digit\n"},
    {HEAD "    sites: {a: {name: x}, b: {ip: [1]}, c: {ip: ~}, d: {'i p': x}, e: {ip: '${to.x}'}, f: {ip: "
          "'${env:T_TOKEN}'}, g: text}\n" TRIGGER PLAYBOOK,
     "3:17: \"name\" cannot be a key of a site, since ${to.name} is the site's name; choose another\n"
     "3:35: \"ip\" cannot be a list; it must be text\n"
     "3:49: \"ip\" cannot be nothing; it must be text\n"
     "3:57: \"i p\" cannot be a key of a site; it must be up to 63 letters, digits, \"_\" and \"-\"\n"
     "3:76: \"ip\" cannot hold ${...}: only the steps of a playbook are filled in; write $${ for a literal ${\n"
     "3:96: \"ip\" cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; write the value "
     "itself\n"
     "3:118: \"g\" cannot be text; it must be a mapping\n"},
    {"sites: {a: {name: x}, site: {}}\n" SERVICE,
     "1:13: \"name\" cannot be a key of a site, since ${to.name} is the site's name; choose another\n"
     "1:23: \"site\" cannot be the name of a site, since it is a state; choose another\n"},
    {"sites: [a]\n" SERVICE, "1:8: \"sites\" cannot be a list; it must be a mapping\n"},
    {HEAD SITES TRIGGER "    prefer: [a]\n" PLAYBOOK,
     "5:13: site \"b\" is missing; \"prefer\" must name every site, the first is home\n"},
    {HEAD SITES TRIGGER "    prefer: [a, b, a]\n" PLAYBOOK, "5:20: site \"a\" is there already; name each site once\n"},
    {HEAD SITES TRIGGER "    prefer: [b, c]\n" PLAYBOOK,
     "5:13: site \"a\" is missing; \"prefer\" must name every site, the first is home\n"
     "5:17: unknown site \"c\"; it can be a or b\n"},
    {HEAD SITES TRIGGER "    prefer: a\n" PLAYBOOK, "5:13: \"prefer\" cannot be text; it must be a list\n"},
    {HEAD SITES TRIGGER "    prefer: [[a], b]\n" PLAYBOOK,
     "5:13: site \"a\" is missing; \"prefer\" must name every site, the first is home\n"
     "5:14: an element of \"prefer\" cannot be a list; it must be text\n"},
    {HEAD SITES "    trigger: {mode: auto}\n" PLAYBOOK,
     "4:21: \"mode\" cannot be \"auto\"; it must be one of automatic, approval, manual, shadow\n"},
    {HEAD SITES "    trigger: {mode: manual, votes: 0, hold: 30, cool_down: -1s}\n" PLAYBOOK,
     "4:36: \"votes\" cannot be \"0\"; it must be a whole number from 1 to 64\n"
     "4:45: \"hold\" cannot be \"30\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to 1d\n"
     "4:60: \"cool_down\" cannot be \"-1s\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to 7d\n"},
    {HEAD SITES "    trigger: {mode: manual, votes: '2', hold: 1.5s, cool_down: 8d}\n" PLAYBOOK,
     "4:36: \"votes\" cannot be the text \"2\"; it must be a whole number from 1 to 64, without quotes\n"
     "4:47: \"hold\" cannot be \"1.5s\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to 1d\n"
     "4:64: \"cool_down\" cannot be \"8d\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to 7d\n"},
    {HEAD SITES "    trigger: {mode: manual, votes: two, hold: '${to.hold}', cool_down: 1h30m}\n" PLAYBOOK,
     "4:36: \"votes\" cannot be \"two\"; it must be a whole number from 1 to 64\n"
     "4:47: \"hold\" cannot be filled in by ${...}; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to "
     "1d\n"
     "4:72: \"cool_down\" cannot be \"1h30m\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s to 7d\n"},
    {HEAD SITES "    trigger: {mode: manual, votes: 01, hold: 99999999999999999s, trusted_votes: 65}\n" PLAYBOOK,
     "4:36: \"votes\" cannot be \"01\"; it must be a whole number from 1 to 64\n"
     "4:46: \"hold\" cannot be \"99999999999999999s\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 0s "
     "to 1d\n"
     "4:81: \"trusted_votes\" cannot be \"65\"; it must be a whole number from 0 to 64\n"},
    {HEAD SITES TRIGGER "    objective: {rto: 5m}\n"
                        "    failback_playbook: []\n"
                        "    topology: pool\n"
                        "    playbok: []\n" PLAYBOOK,
     "6:5: key \"failback_playbook\" is not supported yet; remove it\n"
     "7:5: key \"topology\" is not supported yet; remove it\n"
     "8:5: unknown key \"playbok\"; did you mean \"playbook\"?\n"},
    {HEAD SITES TRIGGER, "3:5: \"playbook\" is missing; it must be the list of steps that move the service\n"},
    {HEAD SITES TRIGGER "    playbook: []\n", "5:15: a playbook cannot have 0 steps; it needs 1 to 100\n"},
    {HEAD SITES TRIGGER "    playbook: {}\n", "5:15: \"playbook\" cannot be a mapping; it must be a list\n"},
};

static const struct bad alerts[] = {
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - x\n" PLAYBOOK,
     "7:9: an element of \"alerts\" cannot be text; it must be a mapping\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {}\n" PLAYBOOK,
     "7:9: \"source\" is missing; it must name one of the sources\n"
     "7:9: \"site\" is missing; it must be a site of the service, or active\n"
     "7:9: \"match\" is missing and would match every alert; name labels, as {alertname: SiteDown}\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: X}, site: c}\n" PLAYBOOK,
     "7:51: unknown site \"c\"; it can be a, b or active\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: an, match: {alertname: X}, site: a}\n" PLAYBOOK,
     "7:18: unknown source \"an\"; did you mean \"am\"?\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {}, site: a}\n" PLAYBOOK,
     "7:29: \"match\" is empty and would match every alert; name labels, as {alertname: SiteDown}\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: [x], site: a}\n" PLAYBOOK,
     "7:29: \"match\" cannot be a list; it must be a mapping\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: []}, site: a}\n" PLAYBOOK,
     "7:41: \"alertname\" cannot be a list of 0; it must hold 1 to 100\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: ~}, site: a}\n" PLAYBOOK,
     "7:41: \"alertname\" cannot be nothing; it must be text, a list of texts, or \"~\" and a regular expression\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: {x: 1}}, site: a}\n" PLAYBOOK,
     "7:41: \"alertname\" cannot be a mapping; it must be text, a list of texts, or \"~\" and a regular expression\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: [a, '~b']}, site: a}\n" PLAYBOOK,
     "7:45: \"~b\" stands in a list, which cannot hold regular expressions; write one as \"~a|b\"\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: '~a('}, site: a}\n" PLAYBOOK,
     "7:41: regular expression \"a(\" cannot be used: *\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: '~a)(b'}, site: a}\n" PLAYBOOK,
     "7:41: regular expression \"a)(b\" cannot be used: *\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: '~(a)\\1'}, site: a}\n" PLAYBOOK,
     "7:41: regular expression \"(a)\\1\" cannot be used: it holds a back-reference; it must be a POSIX extended "
     "one\n"},
    {SOURCES HEAD SITES TRIGGER
     "    alerts:\n"
     "      - {source: am, match: {alertname: '~((a{1,200}){1,200}){1,200}'}, site: a}\n" PLAYBOOK,
     "7:41: regular expression \"((a{1,200}){1,200}){1,200}\" cannot be used: its repetitions are too many; it must be "
     "a POSIX extended one\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: '~${env:T_TOKEN}'}, site: a}\n" PLAYBOOK,
     "7:41: \"alertname\" cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; write "
     "the value itself\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: '~[a'}, site: a}\n" PLAYBOOK,
     "7:41: regular expression \"[a\" cannot be used: *\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: am, match: {alertname: X}, site: a, service: s}\n" PLAYBOOK,
     "7:54: unknown key \"service\"; it can be source, match or site\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts:\n"
                                "      - {source: [am], match: {alertname: X}, site: [a]}\n" PLAYBOOK,
     "7:18: \"source\" cannot be a list; it must be text\n"
     "7:53: \"site\" cannot be a list; it must be text\n"},
    {SOURCES HEAD SITES TRIGGER "    alerts: {}\n" PLAYBOOK,
     "6:13: \"alerts\" cannot be a mapping; it must be a list\n"},
    {HEAD SITES TRIGGER "    alerts: [{source: am, match: {alertname: X}, site: a}]\n" PLAYBOOK,
     "5:23: unknown source \"am\"; there are none\n"},
};

static const struct bad steps[] = {
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - x\n",
     "6:9: an element of \"playbook\" cannot be text; it must be a mapping\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {}\n",
     "6:9: \"action\" is missing; it must be text*\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.chekc, url: 'http://x/'}\n",
     "6:18: unknown action \"http.chekc\"; did you mean \"http.check\"?\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: reboot}\n",
     "6:18: unknown action \"reboot\"; *\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: [http.check]}\n",
     "6:18: \"action\" cannot be a list; it must be text\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check}\n",
     "6:9: \"url\" is missing; it must be an http:// or https:// URL without user information and fragment*\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', ulr: y}\n",
     "6:48: unknown key \"ulr\"; did you mean \"url\"?\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', when: [outage], on_failure: stop, "
                        "point_of_no_return: true, use: x, with: y}\n",
     "6:102: \"point_of_no_return\" is for steps that change something; http.check only looks, so remove it\n"
     "6:108: key \"use\" is not supported yet; remove it\n"
     "6:116: key \"with\" is not supported yet; remove it\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', provider: li}\n",
     "6:58: http.check takes no provider; remove it\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', expect: {status: 99, boddy: ok, within: 0s}}\n",
     "6:65: \"status\" cannot be \"99\"; it must be a whole number*\n"
     "6:69: unknown key \"boddy\"; did you mean \"body\"?\n"
     "6:88: \"within\" cannot be \"0s\"; it must be a duration*\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', expect: [200]}\n",
     "6:56: \"expect\" cannot be a list; it must be a mapping\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', at: example.com}\n",
     "6:52: \"at\" cannot be \"example.com\"; it must be an IPv4 or IPv6 address\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', at: '${to.adress}'}\n",
     "6:52: moving to a (as with every move): *\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', at: '${to.name}'}\n",
     "6:52: moving to a (as with every move): \"at\" cannot be \"a\"; it must be an IPv4 or IPv6 address\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', at: '${from.name}'}\n",
     "6:52: moving from b to a (as with every move): \"at\" cannot be \"b\"; it must be an IPv4 or IPv6 address\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', at: '${to.ip'}\n",
     "6:52: moving to a (as with every move): *\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: '${env:T_TOKEN}'}\n",
     "6:35: \"url\" cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; write the "
     "value itself\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', name: ''}\n",
     "6:54: \"name\" cannot be \"\"; it must be text of 1 to 100 bytes\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', retries: 1.5, timeout: 1ms, deadline: 100ms}\n",
     "6:57: \"retries\" cannot be \"1.5\"; it must be a whole number from -1 to 1000\n"
     "6:71: \"timeout\" cannot be \"1ms\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 100ms to 1h\n"
     "6:86: \"deadline\" cannot be \"100ms\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1s to 7d\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', timeout: 10m, deadline: 1m}\n",
     "6:57: \"timeout\" is longer than \"deadline\"; it must be shorter\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', expect: {status: '${to.ip}'}}\n",
     "6:65: \"status\" cannot be filled in by ${...}; it must be a whole number*\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/${to.name} y'}\n",
     "6:35: moving to a (as with every move): \"url\" cannot be \"http://x/a y\"; it must be an http:// or https:// "
     "URL without user information and fragment\n"},
    {HEAD SITES TRIGGER "    playbook:\n"
                        "      - {action: http.check, url: 'http://x/', expect: {body: '${to.boddy}'}}\n",
     "6:63: moving to a (as with every move): *\n"},
    {PROVIDERS HEAD SITES TRIGGER
     "    playbook:\n"
     "      - {action: linode.dns_record, domain: example.com, record: app, type: A, target: '${to.ip}'}\n",
     "7:9: \"provider\" is missing, linode.dns_record needs one of kind linode; it can be li\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: lo, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}'}\n",
     "7:47: unknown provider \"lo\"; did you mean \"li\"?\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: ov, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}'}\n",
     "7:47: provider \"ov\" is of kind ovh; linode.dns_record needs one of kind linode\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}', retries: 3}\n",
     "7:123: \"retries\" is for checks; linode.dns_record is tried until \"deadline\", so remove it\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}', ttl: '30'}\n",
     "7:119: \"ttl\" cannot be the text \"30\"; it must be a whole number*\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}', ttl: 5}\n",
     "7:119: \"ttl\" cannot be \"5\"; it must be a whole number*\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, "
                                  "type: A, target: '${to.ip}', ttl: [30]}\n",
     "7:119: \"ttl\" cannot be a list; it must be a whole number*\n"},
    {PROVIDERS HEAD SITES TRIGGER
     "    playbook:\n"
     "      - {action: linode.dns_record, provider: li, domain: -, record: app, type: MX, target: ''}\n",
     "7:59: \"domain\" cannot be \"-\"; it must be a DNS name\n"
     "7:81: \"type\" cannot be \"MX\"; *\n"
     "7:93: \"target\" cannot be \"\"; *\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: 192.0.2.1, record: app, "
                                  "type: AAAA, target: '${to.ip}'}\n",
     "7:59: \"domain\" cannot be \"192.0.2.1\"; it must be a DNS name\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, "
                                  "type: AAAA, target: '${to.ip}'}\n",
     "7:9: moving to a (as with every move): *\n"},
    {PROVIDERS HEAD SITES TRIGGER
     "    playbook:\n"
     "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, type: A, target: 'host'}\n",
     "7:9: linode.dns_record: *\n"},
    {PROVIDERS HEAD SITES TRIGGER
     "    playbook:\n"
     "      - {action: ovh.dns_record, provider: ov, zone: example.net, record: app, type: A, target: '${to.ip}', "
     "nameservers: ['127.0.0.1:0', ns.example.net, '::1', '[::1]:53', '${to.name}']}\n",
     "7:123: \"nameservers\" cannot be \"127.0.0.1:0\"; it must be ADDRESS, ADDRESS:PORT or [IPv6]:PORT, or a list of "
     "them\n"
     "7:138: \"nameservers\" cannot be \"ns.example.net\"; it must be ADDRESS, ADDRESS:PORT or [IPv6]:PORT, or a list "
     "of them\n"
     "7:173: moving to a (as with every move): \"nameservers\" cannot be \"a\"; it must be ADDRESS, ADDRESS:PORT or "
     "[IPv6]:PORT, or a list of them\n"},
    {PROVIDERS HEAD SITES TRIGGER "    playbook:\n"
                                  "      - {action: ovh.dns_record, provider: ov, zone: example.net, record: app, "
                                  "type: A, target: '${to.ip}', nameservers: []}\n",
     "7:122: \"nameservers\" cannot be a list of 0; it must hold 1 to 100\n"},
    {HEAD SITES TRIGGER "    playbook: [*x]\n",
     "5:16: alias \"x\" has no anchor; write & and its name at what it stands for, before it\n"},
};
/* Whether the line `got` is `expected`, which may end in "*". */
static bool line_fits(const char *got, size_t got_len, const char *expected, size_t expected_len)
{
    if (expected_len > 0 && expected[expected_len - 1] == '*')
        return got_len >= expected_len - 1 && memcmp(got, expected, expected_len - 1) == 0;
    return got_len == expected_len && memcmp(got, expected, got_len) == 0;
}

static bool errors_fit(const char *got, const char *expected)
{
    while (*expected) {
        if (strncmp(got, "t:", 2) != 0)
            return false;
        got += 2;
        size_t got_len = strcspn(got, "\n"), expected_len = strcspn(expected, "\n");
        if (!line_fits(got, got_len, expected, expected_len))
            return false;
        got += got_len + 1;
        expected += expected_len + 1;
    }
    return !*got;
}

static void expect_all(const struct bad *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
        CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
        struct config *config = NULL;
        assert_int_equal(
            config_load_bytes("t", cases[i].yaml, strlen(cases[i].yaml), true, &config, &errors, &warnings),
            ERR_INVALID);
        assert_null(config);
        if (!errors_fit(strbuf_text(&errors), cases[i].errors))
            fail_msg("%s\ngives\n%sand not\n%s", cases[i].yaml, strbuf_text(&errors), cases[i].errors);
        /* what the environment's secrets hold is nowhere */
        assert_null(strstr(strbuf_text(&errors), "0123456789"));
        assert_null(strstr(strbuf_text(&warnings), "0123456789"));
        assert_null(strstr(strbuf_text(&errors), "hunter2"));
    }
}

#define TEST_OF(table)                                                                                                 \
    static void test_##table(void **state)                                                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        expect_all(table, COUNT_OF(table));                                                                            \
    }
TEST_OF(top)
TEST_OF(operators)
TEST_OF(outside)
TEST_OF(services)
TEST_OF(alerts)
TEST_OF(steps)

static void test_order_and_limit(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf yaml = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    for (int i = 0; i < 250; i++)
        strbuf_addf(&yaml, "colour%d: red\n", i);
    struct config *config = NULL;
    assert_int_equal(config_load_bytes("t", yaml.data, yaml.len, false, &config, &errors, &warnings), ERR_INVALID);
    const char *last = strstr(strbuf_text(&errors), "t:200:1: unknown key \"colour199\"");
    assert_non_null(last);
    assert_string_equal(strchr(last, '\n') + 1, "t: 51 more are left out; mend these first\n");
}

/* An aliased part is read for each use, and complained about once. */
static void test_no_repetition(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        {"services:\n  s: &s\n" SITES TRIGGER "    playbook: [{action: reboot}]\n  t: *s\n  u: {<<: *s}\n",
         "5:25: unknown action \"reboot\"; *\n"},
    };
    expect_all(cases, COUNT_OF(cases));
}

static void test_moves(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        {HEAD "    sites: {a: {ip: 192.0.2.1}, b: {pi: x}, c: {ip: 192.0.2.3}, d: {ip: x}}\n" TRIGGER "    playbook:\n"
              "      - {action: http.check, url: 'http://x/', at: '${to.ip}'}\n"
              "      - {action: http.check, url: 'http://x/${from.ip}'}\n"
              "      - {action: http.check, url: 'http://x/', at: '${from.pi}'}\n",
         "6:52: moving to b (and 1 move more): *\n"
         "7:35: moving from b to a (and 2 moves more): *\n"
         "8:52: moving from b to a (as with every move): \"at\" cannot be \"x\"; it must be an IPv4 or IPv6 address\n"},
    };
    expect_all(cases, COUNT_OF(cases));
}

static int set_up(void **state)
{
    (void)state;
    setenv("T_TOKEN", "0123456789abcdef-token", 1);
    setenv("T_OTHER", "0123456789abcdef-other", 1);
    setenv("T_SPACES", "0123456789 abcdef0123", 1);
    setenv("T_LINES", "0123456789abcdef\nx", 1);
    setenv("T_EMPTY", "", 1);
    unsetenv("T_MISSING");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_order_and_limit),
        cmocka_unit_test(test_no_repetition),
        cmocka_unit_test(test_moves),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
