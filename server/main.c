/* `turnout`: one binary, a row for each subcommand. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli.h"
#include "fetch/fetch.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct subcommand {
    const char *name, *arguments, *help;
    int min_words, max_words;
    int (*run)(const struct options *options);
};

static int command_help(const struct options *options);

static const struct subcommand SUBCOMMANDS[] = {
    {"serve", "-c FILE", "run the daemon", 0, 0, command_serve},
    {"check", "-c FILE", "read a configuration and say all that is wrong with it", 0, 0, command_check},
    {"doctor", "-c FILE", "all that would stop a failover tonight; exit 0: nothing was found", 0, 0, command_doctor},
    {"try", "-c FILE SOURCE [BODY] [--query Q]", "what a delivery would be taken for; BODY: a file, or - for stdin", 1,
     2, command_try},
    {"simulate", "FILE [-c FILE]",
     "play a scenario through the decision, without effects; exit 1: an EXPECT does not hold", 1, 1, command_simulate},
    {"replay", "INCIDENT --config FILE", "decide about an incident again; exit 3: the configuration decides otherwise",
     1, 1, command_replay},
    {"status", "[SERVICE]", "what waits for a person; the services: active site, votes, timers, run", 0, 1,
     command_status},
    {"why", "INCIDENT|SERVICE", "why something was done about an incident, and why not", 1, 1, command_why},
    {"export", "SERVICE [--to-dir DIR]", "a script and a runbook that move it by hand, for the day the daemon is down",
     1, 1, command_export},
    {"report", "INCIDENT|RUN", "what happened, how long each part took, and what was slow, as Markdown", 1, 1,
     command_report},
    {"incidents", "[SERVICE] [--open]", "the incidents, newest first", 0, 1, command_incidents},
    {"shadow", "report [--since 30d]", "what shadow mode would have done, and whether it was right", 1, 1,
     command_shadow},
    {"plan", "SERVICE [--to SITE] [--planned]", "what a run would find and change if it began now", 1, 1, command_plan},
    {"failover", "SERVICE [--to SITE] [--planned] --reason TEXT", "move it to another site", 1, 1, command_failover},
    {"failback", "SERVICE --reason TEXT", "move it back home", 1, 1, command_failback},
    {"approve", "UUID --reason TEXT", "say yes to a run that waits", 1, 1, command_approve},
    {"reject", "UUID --reason TEXT", "say no to a run that waits", 1, 1, command_reject},
    {"pause", "SERVICE --reason TEXT", "let nothing start by itself", 1, 1, command_pause},
    {"resume", "SERVICE --reason TEXT", "end a pause", 1, 1, command_resume},
    {"vote", "SERVICE --site SITE --says down|up|nothing --reason TEXT", "say what you know of a site, or take it back",
     1, 1, command_vote},
    {"adopt", "SERVICE --to SITE --reason TEXT", "say which site is active", 1, 1, command_adopt},
    {"runs", "[UUID]", "the runs, newest first, or one with its steps", 0, 1, command_runs},
    {"deliveries", "[UUID] [--unmatched]", "what the monitors sent, newest first, or one with its body", 0, 1,
     command_deliveries},
    {"drill", "SERVICE [--kind canary|plan] --reason TEXT", "rehearse a failover, there and back", 1, 1, command_drill},
    {"retry", "UUID [--step N] --reason TEXT", "try a step again that waits for a person or is owed", 1, 1,
     command_retry},
    {"skip", "UUID [--step N] --reason TEXT", "go on without the step, or give up the debt", 1, 1, command_skip},
    {"done", "UUID [--step N] --reason TEXT", "say that the step is done, by other means", 1, 1, command_done},
    {"undo", "UUID --reason TEXT", "put back what a run in progress has changed", 1, 1, command_undo},
    {"cancel", "UUID --reason TEXT", "end a run as it stands", 1, 1, command_cancel},
    {"audit", "tail|export|verify [--database FILE]", "the audit log, of a daemon or of a database file", 1, 1,
     command_audit},
    {"actions", "[NAME]", "what each action takes", 0, 1, command_actions},
    {"sources", "[KIND]", "what each kind of source takes", 0, 1, command_sources},
    {"health", "", "whether a daemon is ready: exit 0 or 1, no token needed", 0, 0, command_health},
    {"help", "[COMMAND]", "what a command takes", 0, 1, command_help},
};

/* ---- options ----------------------------------------------------------------------------------------------------- */

#define OF_DAEMON                                                                                                      \
    "status why export report incidents shadow plan failover failback approve reject pause resume vote adopt runs "    \
    "deliveries drill retry skip done undo cancel audit health doctor replay"
#define OF_MOVES "failover failback"
#define OF_CALLS "failover failback approve reject pause resume vote adopt drill retry skip done undo cancel"

/* A subcommand refuses the options of others: one that does not count for it must not look as if it did. */
struct option_row {
    const char *name, *argument, *help; /* argument NULL: a flag */
    int letter;
    const char *of; /* the subcommands that take it; NULL: each */
};

static const struct option_row OPTIONS[] = {
    {"config", "FILE", "the configuration", 'c', "serve check doctor try simulate replay audit failover failback"},
    {"to", "SITE", "the site to move to; of adopt: the site where it is", 'o', OF_MOVES " plan adopt drill"},
    {"reason", "TEXT", "why; it stands in the audit log", 'r', OF_CALLS},
    {"planned", NULL, "a switchover while both sites work", 'p', "failover plan"},
    {"plan", "HASH", "only if it does exactly what that plan said", 'P', OF_MOVES " approve"},
    {"override", "GUARD", "go past target_down, preflight, debt or rpo", 'i', OF_MOVES " approve retry"},
    {"replace", NULL, "a run in progress is cancelled first", 'l', OF_MOVES},
    {"standalone", NULL, "by this process alone (-c FILE), when no daemon can;", 'x', OF_MOVES},
    {"from", "SITE", "the site that is left, where there are more than two,", 'f', OF_MOVES},
    {"yes", NULL, "and nothing is asked", 'z', OF_MOVES},
    {"step", "N", "that step alone, with the number that `turnout runs UUID` shows", 'm', "retry skip done"},
    {"site", "SITE", "the site of which you say something,", 's', "vote"},
    {"says", "WORD", "and what: down, up, or nothing (takes it back)", 'y', "vote"},
    {"kind", "KIND", "canary: there and back with the stand-ins; plan: only looks", 'g', "drill"},
    {"to-dir", "DIR", "the folder to write to (default: where you are)", 'D', "export"},
    {"since", "TIME", "so far back, as in 30d", 'b', "shadow"},
    {"open", NULL, "only those that are not over", 'w', "incidents"},
    {"unmatched", NULL, "only those that no rule matched", 'n', "deliveries"},
    {"database", "FILE", "a database file, read without a daemon", 'd', "audit"},
    {"query", "QUERY", "the query string, as the monitor appends it to the URL", 'q', "try"},
    {"json", NULL, "print for programs", 'j', OF_DAEMON " try simulate"},
    {"url", "URL", "the daemon's API (default $TURNOUT_URL, else http://127.0.0.1:8080)", 'u', OF_DAEMON},
    {"token", "TOKEN", "an operator's token (default $TURNOUT_TOKEN; better there: others see arguments)", 't',
     OF_DAEMON},
    {"ca", "FILE", "authorities of the API's certificate, in PEM (default $TURNOUT_CA, else the system's)", 'a',
     OF_DAEMON},
    {"cert", "FILE", "the certificate to show it, in PEM (default $TURNOUT_CERT)", 'e', OF_DAEMON},
    {"key", "FILE", "its key (default $TURNOUT_KEY)", 'k', OF_DAEMON},
    {"help", NULL, "what a subcommand takes", 'h', NULL},
    {"version", NULL, "the version", 'v', NULL},
};

#define N_OPTIONS COUNT_OF(OPTIONS)

static bool is_of(const struct option_row *row, const char *subcommand)
{
    const size_t len = strlen(subcommand);
    const char *at = row->of;
    while (at && (at = strstr(at, subcommand)) != NULL) {
        if ((at == row->of || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
        at += len;
    }
    return row->of == NULL;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static const struct subcommand *find_subcommand(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        if (strcmp(SUBCOMMANDS[i].name, name) == 0)
            return &SUBCOMMANDS[i];
    }
    return NULL;
}

static void print_option(FILE *out, const struct option_row *row)
{
    char call[40];
    snprintf(call, sizeof call, "--%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
    fprintf(out, "  %s %-17s %s\n", row->letter == 'c' ? "-c," : row->letter == 'h' ? "-h," : "   ", call, row->help);
}

static void usage(FILE *out)
{
    fprintf(out, "Usage: turnout COMMAND\n\n");
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        char call[96];
        int len = snprintf(call, sizeof call, "%s %s", SUBCOMMANDS[i].name, SUBCOMMANDS[i].arguments);
        if (len > 46)
            fprintf(out, "  %s\n  %-46s %s\n", call, "", SUBCOMMANDS[i].help);
        else
            fprintf(out, "  %-46s %s\n", call, SUBCOMMANDS[i].help);
    }
    fprintf(out, "\nOptions; `turnout help COMMAND` says which of them it takes:\n\n");
    for (size_t i = 0; i < N_OPTIONS; i++)
        print_option(out, &OPTIONS[i]);
    fprintf(
        out,
        "\nExit: 0 done, 1 failed, 2 usage, 3 refused by a guard; of try: 3 when no rule matches; of replay: 3 when\n"
        "it is decided otherwise.\n");
}

static void usage_of(FILE *out, const struct subcommand *subcommand)
{
    fprintf(out, "Usage: turnout %s %s\n\n%s\n\n", subcommand->name, subcommand->arguments, subcommand->help);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (OPTIONS[i].of && is_of(&OPTIONS[i], subcommand->name))
            print_option(out, &OPTIONS[i]);
    }
}

/* `turnout help [COMMAND]`, `turnout [COMMAND] --help` */
static int help(const char *name)
{
    const struct subcommand *subcommand = name ? find_subcommand(name) : NULL;
    if (subcommand) {
        usage_of(stdout, subcommand);
    } else if (!name) {
        usage(stdout);
    } else {
        fprintf(stderr, "turnout: there is no command %s; see turnout --help\n", name);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

static int command_help(const struct options *options)
{
    return help(options->n_words > 0 ? options->words[0] : NULL);
}

/* ---- what is given ----------------------------------------------------------------------------------------------- */

/* Options as they were given, apart from what they say. */
struct given {
    bool letters[128];
};

/* Where the text of an option goes; NULL: it has none. */
static const char **text_slot(struct options *options, int letter)
{
    switch (letter) {
    case 'c':
        return &options->config;
    case 'd':
        return &options->database;
    case 'u':
        return &options->url;
    case 't':
        return &options->token;
    case 'o':
        return &options->to;
    case 'f':
        return &options->from;
    case 'r':
        return &options->reason;
    case 'q':
        return &options->query;
    case 'a':
        return &options->ca;
    case 'e':
        return &options->certificate;
    case 'k':
        return &options->key;
    case 's':
        return &options->site;
    case 'y':
        return &options->says;
    case 'b':
        return &options->since;
    case 'm':
        return &options->step;
    case 'g':
        return &options->kind;
    case 'P':
        return &options->plan;
    case 'D':
        return &options->to_dir;
    case 'i':
        return options->n_overrides < MAX_OVERRIDES ? &options->overrides[options->n_overrides++] : NULL;
    default:
        return NULL;
    }
}

/* Where an option without a text is noted; NULL: it is none of these. */
static bool *flag_slot(struct options *options, int letter)
{
    switch (letter) {
    case 'n':
        return &options->is_unmatched;
    case 'j':
        return &options->is_json;
    case 'p':
        return &options->is_planned;
    case 'l':
        return &options->is_replacing;
    case 'w':
        return &options->is_open;
    case 'x':
        return &options->is_standalone;
    case 'z':
        return &options->is_yes;
    default:
        return NULL;
    }
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, struct options *options, struct given *given)
{
    struct option long_options[N_OPTIONS + 1] = {0};
    for (size_t i = 0; i < N_OPTIONS; i++)
        long_options[i] = (struct option){.name = OPTIONS[i].name,
                                          .has_arg = OPTIONS[i].argument ? required_argument : no_argument,
                                          .val = OPTIONS[i].letter};
    int letter;
    while ((letter = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        const char **slot = text_slot(options, letter);
        bool *flag = flag_slot(options, letter);
        if (slot)
            *slot = optarg;
        if (flag)
            *flag = true;
        if (letter == 'v') {
            printf("turnout %s\n", TURNOUT_VERSION);
            return EXIT_DONE;
        }
        if (!slot && !flag && letter != 'h') {
            fprintf(stderr, "turnout: see turnout --help\n");
            return EXIT_USAGE;
        }
        given->letters[letter] = true;
    }
    for (int i = optind; i < argc; i++) {
        if (options->n_words == MAX_WORDS) {
            fprintf(stderr, "turnout: too many arguments\n");
            return EXIT_USAGE;
        }
        options->words[options->n_words++] = argv[i];
    }
    return -1;
}

static bool is_all_taken(const struct subcommand *subcommand, const struct given *given)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (!given->letters[OPTIONS[i].letter] || is_of(&OPTIONS[i], subcommand->name))
            continue;
        fprintf(stderr, "turnout: %s takes no --%s; see turnout help %s\n", subcommand->name, OPTIONS[i].name,
                subcommand->name);
        return false;
    }
    return true;
}

static int run(const struct subcommand *subcommand, struct options *options)
{
    options->n_words--;
    memmove(options->words, options->words + 1, sizeof options->words - sizeof options->words[0]);
    if (options->n_words < subcommand->min_words || options->n_words > subcommand->max_words) {
        fprintf(stderr, "Usage: turnout %s %s\n", subcommand->name, subcommand->arguments);
        return EXIT_USAGE;
    }
    clock_start();
    fetch_start();
    return subcommand->run(options);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct given given = {0};
    /* Jansson reads on when memory ends within a text: then a string lacks a character, an address perhaps, or an
     * assertion ends the process. */
    json_set_alloc_funcs(memory_wait, free);
    int code = parse(argc, argv, &options, &given);
    if (code >= 0)
        return code;
    const char *name = options.n_words > 0 ? options.words[0] : NULL;
    if (given.letters['h'])
        return help(name);
    if (!name) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const struct subcommand *subcommand = find_subcommand(name);
    if (!subcommand)
        return help(name);
    return is_all_taken(subcommand, &given) ? run(subcommand, &options) : EXIT_USAGE;
}
