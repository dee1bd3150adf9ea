#include "prober/opinion.h"

#define MAX_IN_A_ROW 1000000

static int needed(const struct probe_rule *rule, enum vote seen)
{
    int n = seen == VOTE_UP ? rule->rise : rule->fall;
    return n > 0 ? n : 1;
}

bool opinion_take(struct opinion *opinion, const struct probe_rule *rule, enum vote seen)
{
    if (seen != opinion->seen)
        opinion->in_a_row = 0;
    opinion->seen = seen;
    if (opinion->in_a_row < MAX_IN_A_ROW)
        opinion->in_a_row++;
    if (opinion->since_said < PROBES_PER_WORD)
        opinion->since_said++;
    if (opinion->in_a_row < needed(rule, seen) || (opinion->is_formed && opinion->says == seen))
        return false;
    opinion->is_formed = true;
    opinion->says = seen;
    opinion->is_said = false;
    return true;
}

bool opinion_is_due(const struct opinion *opinion)
{
    if (!opinion->is_formed || opinion->seen != opinion->says)
        return false;
    return !opinion->is_said || opinion->since_said >= PROBES_PER_WORD;
}

void opinion_said(struct opinion *opinion)
{
    opinion->is_said = true;
    opinion->since_said = 0;
}
