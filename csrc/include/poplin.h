/*
 * poplin.h - POP3 for people who script: the whole library. See docs/architecture.md for how the parts fit.
 */
#ifndef POPLIN_H
#define POPLIN_H

#include <poplin/background.h>
#include <poplin/client.h>
#include <poplin/delivery.h>
#include <poplin/discover.h>
#include <poplin/fetch.h>
#include <poplin/header.h>
#include <poplin/link.h>
#include <poplin/loop.h>
#include <poplin/maildir.h>
#include <poplin/memory.h>
#include <poplin/places.h>
#include <poplin/questions.h>
#include <poplin/scram.h>
#include <poplin/seen.h>
#include <poplin/server.h>
#include <poplin/session.h>
#include <poplin/status.h>
#include <poplin/tap.h>
#include <poplin/testkit.h>
#include <poplin/tls.h>
#include <poplin/trace.h>
#include <poplin/types.h>
#include <poplin/url.h>

#endif
