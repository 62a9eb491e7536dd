// SPDX-License-Identifier: PostgreSQL
// What workers say to one another.
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

void Core::post(WorkerIndex worker, std::unique_ptr<Message> message) {
    effects_->push(Post{worker, std::move(message)});
}

void Core::ask_for_server(PoolEntry& entry, pool::Scope scope) {
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker) continue;
        auto need = std::make_unique<NeedServer>();
        need->key = entry.pool.key();
        need->scope = scope;
        post(worker, std::move(need));
    }
}

void Core::posted(Posted& event) {
    Message* message = event.message.get();
    if (dynamic_cast<PermitFreed*>(message) != nullptr) {
        for (auto& [node, gate] : gates_) gate.room_made(now_);
        is_retry_wanted_ = true;
    } else if (auto* need = dynamic_cast<NeedServer*>(message)) {
        make_room(need->key, need->scope, nullptr);
    } else if (auto* changed = dynamic_cast<ViewChanged*>(message)) {
        auto found = clusters_.find(changed->cluster);
        if (found != clusters_.end()) take_view(*found->second, std::move(changed->view));
    } else if (auto* closed = dynamic_cast<WritersClosed*>(message)) {
        auto found = clusters_.find(closed->cluster);
        if (found != clusters_.end()) {
            writers_closed(*found->second, event.from, closed->version, closed->primary);
        }
    } else if (auto* new_writer = dynamic_cast<WriterChanged*>(message)) {
        auto found = clusters_.find(new_writer->cluster);
        if (found != clusters_.end()) writer_changed(*found->second, new_writer->writer);
    } else if (auto* lost = dynamic_cast<PlacesLost*>(message)) {
        auto found = clusters_.find(lost->cluster);
        if (found != clusters_.end()) {
            places_lost(*found->second, lost->sessions, lost->furthest);
        }
    } else if (auto* wanted_look = dynamic_cast<LookWanted*>(message)) {
        look_wanted(*wanted_look, event.from);
    } else if (auto* suspected = dynamic_cast<NodeSuspected*>(message)) {
        auto found = clusters_.find(suspected->cluster);
        if (found != clusters_.end()) suspect(*found->second, suspected->node, suspected->why);
    } else if (dynamic_cast<DefinitionsChanged*>(message) != nullptr) {
        statements_.begin_epoch();
    } else if (auto* schema = dynamic_cast<SchemaChanged*>(message)) {
        auto found = catalogs_.find(schema->database);
        if (found != catalogs_.end()) spread_catalog(schema->database, nullptr);
    } else if (auto* cancel = dynamic_cast<CancelWanted*>(message)) {
        if (!cancel_locally(cancel->process_id, cancel->secret, cancel->requester, event.from)) {
            finish_requester(cancel->requester, event.from);
        }
    } else if (auto* finished = dynamic_cast<CancelFinished*>(message)) {
        cancel_answered(finished->requester);
    } else if (auto* show = dynamic_cast<ShowWanted*>(message)) {
        auto reply = std::make_unique<ShowReply>();
        reply->ticket = show->ticket;
        reply->data = show_data(show->command);
        post(event.from, std::move(reply));
    } else if (auto* reply = dynamic_cast<ShowReply*>(message)) {
        auto found = shows_.find(reply->ticket);
        if (found == shows_.end()) return;
        admin::merge(found->second.data, std::move(reply->data));
        if (--found->second.replies_left == 0) show_finished(reply->ticket);
    } else if (auto* wanted = dynamic_cast<OrderWanted*>(message)) {
        carry_out(wanted->command);
        orders_[++last_ticket_] = {.asker = {},
                                   .origin = event.from,
                                   .origin_ticket = wanted->ticket,
                                   .command = wanted->command};
    } else if (auto* done = dynamic_cast<OrderDone*>(message)) {
        auto found = orders_.find(done->ticket);
        if (found != orders_.end()) --found->second.replies_left;
    }
}

}  // namespace pgweir::proxy
