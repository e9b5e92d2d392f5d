/*
 * testkit/transcript.h - a record written for a person.
 */
#ifndef POPLIN_TESTKIT_TRANSCRIPT_H
#define POPLIN_TESTKIT_TRANSCRIPT_H

#include <poplin/testkit.h>

#include "testkit/prose.h"

/*
 * Adds the transcript. Of more than most exchanges only the beginning and the end are shown.
 */
void poplin_transcript_add(poplin_prose *prose, const poplin_record *record, size_t most);

#endif
