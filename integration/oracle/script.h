// SPDX-License-Identifier: PostgreSQL
// Conversations in a small language, one file per theme (conversations/*.txt):
//
//   conversation a batch that fails skips to Sync
//   > P |select 1/0|           queued: a message in the words of message_words.h
//   > B ||
//   > E
//   ? S                        queued; all that is queued is sent in one go, and heard up to Z
//
//   ? M            = "> M" and "< Z"
//   < T Z closed   sends what is queued, then reads up to a message of each of these types;
//                  "closed": up to the end; "nothing": nothing is there yet; "byte": one bare byte
//   ! close        also: reset, shut (sends no more), cancel (the request, by a new connection)
//   ! wait locked  until the client's own server waits for a lock; "wait asleep": in pg_sleep
//
// A letter in front of the sign names the client ("B> Q begin"); without one it is A. Lines before
// the first sign say what the conversation needs: "needs transactions" or "needs session" (in what
// modes it makes sense), "tables" (t and its like stand there anew), "stains" (leaves state on its
// server), "login name=value …" (startup parameters), "bare" (nobody has logged in yet).
// A '#' at the beginning of a line is a comment.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "messages.h"

namespace pgweir::integration::oracle {

struct Step {
    enum class Kind { Say, Hear, Act };

    Kind kind = Kind::Say;
    char client = 'A';
    std::string bytes;                // Say
    char last_type = 0;               // Say: of the last message; 0 before the login.
    std::vector<std::string> awaits;  // Hear
    std::string action;               // Act
};

enum class Needs { Nothing, Transactions, Session };

struct Conversation {
    std::string title;
    std::string place;  // "copy.txt:12"
    Needs needs = Needs::Nothing;
    bool has_tables = false;
    bool stains = false;
    bool is_bare = false;
    Parameters login;
    std::vector<Step> steps;

    bool has_two_clients() const;
};

// Of all *.txt files in a folder. HarnessError with file and line for what can't be read.
std::vector<Conversation> read_conversations(const std::filesystem::path& folder);

}  // namespace pgweir::integration::oracle
