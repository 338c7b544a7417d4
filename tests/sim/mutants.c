/* SPDX-License-Identifier: MIT */
#include "mutants.h"
#include "campaign.h"
#include "figure.h"
#include "scenario.h"

#include <stdio.h>
#include <string.h>

/* The defects that can be seeded into the code, MUTANT(name) in lib/, and which scenario meets each soonest. */
static const struct mutant {
    const char *name;
    const char *scenario;
    const char *about;
} mutants[] = {
    /* rings */
    {"ring_lap_off_by_one", "wrap-senders", "a sender believes a slot that is laps ahead"},
    {"ring_overwrite_live", "wrap-early", "an entry that counts is overwritten in early, returned or deaths"},
    {"ring_past_too_far", "wrap-early", "an overtaken reader goes on one position too late"},
    {"lap_plain_difference", "wrap-lane", "laps are compared as if they never wrapped"},
    {"hint_ahead", "send-receive", "a shared head or tail is one ahead of the truth"},
    {"lane_overwrite_live", "in-the-way", "an untaken entry is overwritten in the lane"},
    {"make_way_no_help", "both-in-the-way", "an entry that another sender began to move is overwritten before it arrived"},
    {"make_way_no_position", "old-entry", "an old entry is taken for the cell's present one"},
    {"requeue_position_stored", "both-in-the-way", "the position is stored, not compared and swapped"},
    {"requeue_place_first", "movers", "an inserter asks \"in place?\" before he searches, and not again"},
    {"requeue_word_first", "mover-sleeps", "an inserter reads the word before the position"},
    {"requeue_blocked_by_passed", "same-stamps", "an entry that readers have passed still counts"},
    {"requeue_believes_old_entry", "same-stamps", "an entry of an earlier life is taken for the present one"},
    {"missed_not_said", "missed-returned", "who finds returned full says nothing"},
    {"missed_cleared_first", "missed-returned", "who looks for what returned misses takes the note back before he has found it"},
    /* keyed lanes */
    {"keyed_passes_leased", "key-receive-receive", "a message that is held does not hold its lane"},
    {"keyed_passes_delayed", "key-backoff", "a message that waits after a failure does not hold its lane"},
    {"keyed_believes_bits", "key-bit", "a receiver that finds no bit set does not look at the lanes"},
    {"keyed_takes_leaving", "key-reject", "a redriven message is taken where it was"},
    {"keyed_head_past_nothing", "key-redrive-purge", "the head is raised past a position that was never filled"},
    {"keyed_wakes_no_sender", "key-full", "who sleeps for a place in a lane is not woken when it has one"},
    {"keyed_wakes_no_receiver", "key-sleep", "who waits for the lane's next message is not woken when it may be taken"},
    {"keyed_no_mark", "key-remove-full", "a removed group's message is overwritten in its slot and not marked as taken"},
    {"leave_early", "key-groups-redrive", "a letter leaves its place while another group needs it there"},
    {"leave_viewed", "key-leave-viewed", "a letter leaves its place while somebody looks at it"},
    {"insert_place_first", "key-moved", "an inserter asks \"in place?\" before he searches, and not again"},
    {"insert_position_late", "key-reuse", "an inserter reads the words before the position"},
    {"insert_lane_early", "key-lanes", "an inserter knows the lane from before, and it is another message by now"},
    {"sweep_no_insert", "key-redrive", "nobody inserts a committed message whose inserter died"},
    /* shards */
    {"shards_home_only", "shard-steal", "a consumer whose own lane is empty asks no other"},
    {"shards_never_far", "shard-far", "a consumer asks the others only when its own lane is empty"},
    {"shards_one_far", "shard-lone", "a consumer whose turn it is elsewhere asks one of the others, and then at home"},
    {"shards_lane_moves", "shard-steal", "a producer's messages go to one lane after the other"},
    /* spill */
    {"spill_direct_early", "spill-direct", "a sender goes direct while what it spilled is not drained"},
    {"spill_direct_unhelped", "spill-overtake", "a sender goes direct before the last refill is in its lane"},
    {"spill_cell_late", "spill-receivers", "a refill into the very cell that this message went to before"},
    {"spill_help_any", "spill-receivers", "what is staged in a cell that a cursor names is committed, whatever it is"},
    {"spill_help_no_insert", "spill-direct", "who helps commits the cell and does not insert it"},
    {"spill_no_help", "spill-receivers", "a refill goes on before the last one is in its lane"},
    {"spill_stage_owned", "spill-refill", "a refill is in a cell that recovery takes for one that nobody needs"},
    {"spill_recover_frees", "spill-sweep", "recovery frees what a dead refiller's cursor names"},
    {"spill_empty_one_look", "spill-receivers",
     "who finds nothing spilled does not ask what became of it since he looked at the lane"},
    {"spill_no_wake", "spill-sleep", "who spills wakes nobody"},
    {"spill_frees_early", "spill-extents", "an extent is freed while messages in it are still to be read"},
    {"spill_last_stays", "spill-extents", "an extent of a dead sender is needed for what he did not commit"},
    {"spill_last_unsaid", "spill-extents", "an extent does not say how far it is needed"},
    {"spill_forgets_creating", "spill-group-space", "space is freed that a group needs which is being made"},
    {"spill_group_keeps_staged", "spill-group-replace", "what was refilled for a removed group reaches the next one on its place"},
    {"spill_drain_not_busy", "spill-drain", "who drains does not ask whether somebody is spilling"},
    /* overflow */
    {"overflow_without_cas", "drop-claim", "a dropper stores its verdict"},
    {"drop_forgets_cell", "both-lose", "a dropper that cleared the last bit goes on with the other groups, and forgets the cell"},
    {"drop_leased", "drop-ack", "what somebody holds is dropped"},
    {"drop_early", "drop-last", "a message whose send is under way is dropped to make room"},
    {"drop_for_nothing", "abandoned-group", "a message is dropped for one group although another needs its memory"},
    {"drop_passes_all", "abandoned-group", "a dropper raises a head past what waits"},
    {"bytes_no_wake", "byte-sleep", "who frees bytes wakes nobody"},
    {"unpublished_keeps_bytes", "byte-cancel", "a delayed message is cancelled and its bytes are not given back"},
    {"drop_old_groups", "drop-replace", "a dropper takes a new group for the one that was on its place"},
    {"bytes_not_compared", "byte-send", "bytes are counted without comparing"},
    {"bytes_recount_all", "byte-walk", "a count forgets what moved meanwhile"},
    /* dumps */
    {"dump_without_end", "dump-sends", "a dump has what was sent after it began, and not what was sent before that"},
    {"dump_gives_up", "dump-redrive", "a message that moves while a dump looks at it is left out"},
    {"dump_uncommitted", "dump-refused", "a dump has a message whose send is under way, and comes to nothing"},
    {"dump_sequence_once", "dump-numbered",
     "a dump says of a producer a lower sequence than that of a message it has, which is sent again then"},
    {"dump_settled_unsent", "dump-acked", "a dump says of a producer that he has not sent what was acked already"},
    /* cells */
    {"pool_no_starved", "blocked-send", "a sender does not say that it looks for memory"},
    {"publish_keeps_generation", "send-receive", "a message has the generation of the one before"},
    {"payload_late", "send-receive", "the payload is written after the message is published"},
    {"send_position_late", "dead-sender", "the position is written after the slot"},
    {"close_keeps_loans", "loan-close", "a producer closes and keeps its loans"},
    {"settle_no_incarnation", "reuse", "a late settler clears the bit of a later message"},
    /* claim and ack */
    {"claim_without_cas", "receive-receive", "a message is claimed by a store"},
    {"claim_takes_leased", "receive-receive", "a message is claimed that another holds"},
    {"claim_no_generation", "stale-claim", "the entry's tag is not compared"},
    {"claim_no_position", "stale-claim", "the entry's position is not compared"},
    {"claim_skip_on_failure", "in-the-way", "a lost claim passes the entry by"},
    {"ack_without_cas", "ack-expiry", "an ack is a store"},
    {"ack_ignores_hold", "own-past", "a late ack settles a later delivery"},
    {"ack_forgets_viewers", "ack-expiry", "an ack frees a cell that others look at"},
    {"drop_forgets_viewers", "purge-ack", "a purge frees a cell that others look at"},
    {"drop_uncommitted", "drop-send", "a message is dropped while its send is under way"},
    {"bury_forgets_viewers", "bury-viewed", "a burial forgets who looks at the message"},
    {"bury_uncommitted", "bury-send", "a message whose send is under way is buried"},
    {"leave_alone", "views-reuse", "a thread takes its process off the record while another one looks"},
    {"copy_after_ack", "at-most-once", "an unacknowledged message is copied after it was settled"},
    {"headers_not_copied", "headers-copy", "the headers of an unacknowledged message stay in its cell"},
    {"ahead_unchecked", "prefetch-expiry", "a message claimed ahead is handed out after its lease"},
    {"close_keeps_leases", "close-receive", "a consumer closes and keeps its messages"},
    {"returned_keeps_hold", "nack-receive", "a message that was command back has the hold number it had"},
    {"delayed_keeps_hold", "nack-expiry", "a lease and the backoff after it share a stamp"},
    {"redrive_keeps_counts", "redrive-fresh", "a redriven message has failed before"},
    {"redrive_counts_late", "redrive-fresh", "the counts of a redriven message begin anew after it can be received"},
    {"counts_over_later", "redrive-late", "who buried a message writes its counts over those of the redriven one"},
    {"counts_once", "redrive-late", "a redrive gives up on the counts when another writes them, too"},
    {"death_counted_first", "evict", "a letter is counted before it is one"},
    {"leave_counted_late", "evict", "a letter is dropped before it is taken off the count"},
    {"recount_any_time", "evict-sweep", "letters are counted anew while somebody is in the middle of a death"},
    {"refuse_counted_late", "refuse", "a ring that refuses counts a letter when it is there"},
    {"forward_without_id", "onward-both", "an output has no id: whoever receives the message next sends it again"},
    {"forward_acks_first", "onward-both", "the message is acked before its output was sent"},
    {"forward_acks_busy", "onward-late", "the message is acked while somebody else is sending its output, who may die"},
    {"seen_after_ack", "seen-both", "what was done is said to be done after the ack"},
    {"seen_passes_pending", "seen-both", "two are told to do the same work"},
    {"seen_keeps_failed", "seen-fails", "who gave the message back keeps its id"},
    {"seen_dead_is_done", "seen-both", "what a dead one was at counts as done"},
    {"forward_moved", "forward-redrive", "a letter that was redriven is sent to another queue, with whatever bytes lie there"},
    {"forward_drops_first", "forward-sweep", "a letter is dropped here before it is sent to another queue"},
    {"forward_drops_any", "forward-redrive", "the letter in the cell is dropped, whichever it is by now"},
    /* time */
    {"lease_foreign_stamp", "claim-expiry", "the time of an earlier lease is believed"},
    {"time_after_word", "late-install", "the word is read before the time"},
    {"expire_early", "ack-expiry", "a lease ends before its time"},
    {"expire_unmarked", "extend-expiry", "an expired lease is taken back without closing it first"},
    {"extend_revives", "extend-expiry", "a lease that is over is extended"},
    {"expire_forgets_viewer", "ack-expiry", "whose lease ran out is not recorded as a viewer"},
    /* timers */
    {"timer_nodes_first", "timers-set-pop", "a time is written above before it is written below"},
    {"timer_set_ignores_raise", "timers-set-pop", "a setter leaves the mark of one who raises a node"},
    {"timer_mark_late", "timers-set-pop", "a node is marked after its children were looked at"},
    {"timer_raise_stored", "timers-set-pop", "a node is raised by a store"},
    {"timer_no_changes", "timers-pop-set", "a mark is taken for one's own that is another's"},
    /* delay and expiry */
    {"due_keeps_generation", "delay-found-twice", "a message that is due has the generation of the one before"},
    {"due_published", "delay-found-twice", "a message that is due becomes its finder's"},
    {"due_early", "cancel-reuse", "a cell's timer is believed without a look at its message's time"},
    {"timer_not_announced", "delay-sleeper", "a sleeper is not told of an earlier time"},
    {"wall_offset_fresh", "at-order", "a wall-clock time becomes a timer by a look at both clocks"},
    {"cancel_keeps_generation", "cancel-reuse", "a cell waits twice under the same word"},
    {"lift_stored", "expiry-lift", "who redrives makes the cell's next message live for ever"},
    {"claim_expired", "expiry-claim", "the claimer does not look at the clock"},
    {"expiry_of_settled", "expiry-reuse", "a word that is settled already is taken for the cell's next message"},
    {"expiry_uncommitted", "expiry-refused", "the time of a message that was refused ends the one that comes under the same words"},
    {"cancel_uncommitted", "cancel-refused", "a message is cancelled under the id of one that was refused"},
    {"expiry_unchecked", "expiry-reuse", "a message is ended without another look at its time"},
    /* death */
    {"sweep_no_requeue", "wrap-returned", "the sweep inserts nothing"},
    {"sweep_no_settle_help", "dead-holder", "the sweep does not finish a settlement"},
    {"recover_no_verdict", "dead-sender", "recovery frees committed messages"},
    {"recover_slot_only", "overwritten", "recovery looks for the entry only"},
    {"recover_forgets_viewer", "viewer-leaves", "recovery leaves dead viewers on record"},
    {"recover_without_lock", "attach-sweeps", "recovery without proof of death"},
    {"bury_first", "recoverers", "a seat is declared clean before it is cleaned"},
    {"death_unpinned", "attach-sweeps", "the proof of death ends at once"},
    {"probe_other_inode", "remade", "the locks of another file of that name are asked"},
    {"seat_taken_dirty", "attach-sweep", "a seat is taken before it is clean"},
    {"seat_one_look", "attach-receive", "a newcomer does not look again under the lock"},
    /* producers that have an id */
    {"sequence_unannounced", "id-sweep", "a sequence under way is not written down"},
    {"sequence_early", "id-sweep", "a sequence counts as sent before it is"},
    {"sequence_stays_next", "id-full", "a send that failed is left as under way, and its memory becomes another's"},
    {"identity_no_verdict", "id-sweep", "recovery takes what was under way for not sent"},
    {"identity_after_cells", "id-sweep", "recovery frees the cell before it asks it"},
    {"identity_owned_at_once", "id-heirs", "an heir owns the id before he has written down what became of the last send"},
    {"identity_forgets_sent", "id-heirs", "the verdict about the last send dies with the heir"},
    {"identity_claims_if_done", "id-half-made", "who finds no place for an id and nobody to recover does not look again"},
    {"identity_robs", "id-successor", "the id of one who lives is taken"},
    {"identity_no_help", "id-first", "who makes an id does not look at the one that was made just before"},
    /* groups */
    {"publish_no_second_look", "send-remove", "a sender does not look again which groups there are, after it committed"},
    {"head_forgets_draining", "send-remove", "a sender passes the head of a group that is being removed"},
    {"draining_before_words", "remove-younger", "a walk ends the removal of a younger group, which began behind it"},
    {"reuse_before_walk", "send-remove", "a removed group is over before its messages were dropped"},
    {"stale_drops_all", "send-create", "a sender that saw groups change drops its message for those that stayed"},
    {"create_no_purge", "delay-late-replace", "a group begins with what is left of the one before"},
    {"remove_under_creator", "create-remove", "a group is removed and its creator not relieved"},
    {"purge_no_retry", "give-back-replace", "a message that moves while it is dropped is left to the next group"},
    {"purge_active_first", "sweep-replace", "a sweep reads which groups there are before it reads the message"},
    {"claim_no_group_check", "receive-replace", "a consumer of a removed group takes the next group's messages"},
    {"lookup_no_group_check", "purge-replace", "a purge drops messages of the group that came to the place"},
    {"lookup_group_first", "purge-replace", "a purge asks for its group before it reads a message's words"},
    {"recover_asks_one", "dead-sender-remove", "recovery asks one group whether it took the message"},
    {"recover_no_creator", "create-create", "recovery leaves the place of a dead creator"},
    {"create_same_name", "create-create", "a creator does not look whether the name is there by now"},
    /* ids of sends */
    {"dedup_believes_pending", "once-dead", "an id that is being sent is taken for one that was sent"},
    {"dedup_commits_early", "once-dead", "an id is committed before its message"},
    {"dedup_delayed_unsent", "once-delay-dead", "a dead sender's delayed message counts as not sent"},
    {"dedup_verdict_once", "once-verdict", "the cell is not looked at again after the verdict about a dead sender's message"},
    {"dedup_looks_if_done", "once-asked", "who meets an undecided id believes it if he finds nobody to recover"},
    {"dedup_decides_late", "once-full", "a sender that failed gives its cell back before it decides its id"},
    {"recover_ids_last", "once-dead", "recovery decides ids when it has freed the cells that tell"},
    {"id_link_blind", "once-two", "an id is linked to whatever the head is by now"},
    {"id_hash_only", "once-collide", "hashes are compared, and not the ids"},
    {"id_word_once", "once-few", "an entry's word is not looked at again after its id"},
    {"id_no_generation", "once-few", "a walk does not notice that an entry has become another's"},
    {"id_keeps_generation", "once-few", "an entry's generation does not rise when it is taken"},
    {"id_turn_forever", "once-turn", "who slept for a round takes the entry of his turn all the same"},
    {"id_freed_linked", "once-few", "an entry is freed before it is unlinked"},
    /* pause and drain */
    {"pause_before_cell", "drain-send", "a sender asks whether sending is paused before it has its cell, and not again"},
    {"drain_taken_is_done", "drain-redelivery", "a message that somebody has received counts as settled"},
    {"drain_no_seats", "drain-redrive", "who drains does not ask who is in the middle of a redrive"},
    {"drain_ignores_changes", "drain-resume", "who drains does not begin anew when somebody resumed and paused again"},
    {"resume_wakes_nobody", "resume-send", "those who wait for the resume are not woken"},
    {"pause_outlives_group", "pause-replace", "a group begins paused, because the one before was"},
    {"pause_forgot_silently", "pause-replace", "a group clears the bit of its place only if it is set"},
    {"pause_group_first", "pause-replace", "who pauses a group looks it up before he reads the word"},
    {"pause_group_believed", "pause-next", "a pause that is found is believed to be of the group that was looked up"},
    /* sleep */
    {"epoch_after_ticket", "sleeping-receivers", "the epoch is read after the ticket is drawn"},
    {"wake_keeps_epoch", "sleeping-receive", "a waker does not raise the epoch"},
    {"wake_before_fill", "sleeping-receive", "a sender looks for sleepers before its message is there"},
    {"sleep_no_last_look", "sleeping-receive", "a receiver sleeps without a last look"},
    /* event loops */
    {"bell_without_ticket", "poll-receive", "a consumer arms its bell and draws no ticket"},
    {"bell_no_second_look", "poll-receive", "a consumer arms its bell and does not look again"},
    {"bell_drained_late", "poll-receive", "a bell is drained after the last look"},
    {"bells_top_late", "poll-open", "a place for a bell is taken before recovery would look there"},
    {"bell_found_quiet", "poll-more", "a message is found that did not ring, and the next one is not looked for"},
    {"recover_no_bells", "poll-receive", "recovery leaves the bells of the dead"},
    {"wait_many_no_look", "wait-two", "a waiter on several queues sleeps without a last look"},
    {"wait_many_one", "wait-two", "a waiter on several queues sleeps on the first"},
    /* bindings of an exchange */
    {"exchange_one_look", "exchange-reuse", "an entry's word is not looked at again after it was copied"},
    {"exchange_keeps_generation", "exchange-reuse", "an entry's generation does not rise when it is used again"},
    {"exchange_keeps_until", "exchange-bind-read", "a binding in a used place has the end of the one before"},
    {"exchange_used_first", "exchange-bind-read", "an entry is called used before it is written"},
    {"exchange_commits_first", "exchange-bind-read", "the version is raised before the entry is written"},
    {"exchange_bound_early", "exchange-bind-read", "a binding is in effect before the version is raised"},
    {"exchange_unbound_early", "exchange-unbind-read", "a binding is over before the version is raised"},
    {"exchange_frees_early", "exchange-unbind-read", "an entry is freed while readers of this version need it"},
    {"exchange_keeps_over", "exchange-unbind-bind", "an entry whose binding is over is not freed"},
    {"exchange_keeps_bind", "exchange-bind-bind",
     "what a dead one was binding is not cleared away, and comes with the next change"},
    {"exchange_keeps_unbind", "exchange-unbind-bind",
     "what a dead one was taking back is not restored, and goes with the next change"},
    {"exchange_mends_some", "exchange-unbind-bind", "who finds what he looked for mends nothing behind it"},
    {"exchange_unpinned", "exchange-bind-bind", "the lock ends before the change"},
    /* broadcast rings */
    {"ring_not_busy", "ring-write-read", "a slot is written without being marked first"},
    {"ring_copy_unchecked", "ring-write-read", "a reader does not look at the stamp again"},
    {"ring_one_stamp", "ring-large", "of a message of several slots the first is looked at again"},
    {"ring_tail_last", "ring-large", "the first slot of a message is complete before the others"},
    {"ring_torn_tail_waits", "ring-tail", "a reader waits at a message of which only the first slot is left"},
    {"ring_tail_as_message", "ring-successor", "what a dead writer began looks like a message"},
    {"ring_successor_hint_only", "ring-successor", "a dead writer's successor begins where the hint says"},
    {"ring_successor_notes_nothing", "ring-successor", "a dead writer's successor does not note what that one completed"},
    {"ring_join_no_walk", "ring-join", "who joins believes the hint of where the lane ends"},
    {"ring_lanes_stored", "ring-writers", "the number of lanes is stored, not raised"},
    {"ring_no_last_look", "ring-sleep", "a reader sleeps without a last look"},
    {"ring_wakes_nobody", "ring-sleep", "a writer wakes nobody"},
    {"gate_unasked", "gate-write-read", "a writer asks no reader"},
    {"gate_starts_early", "gate-join", "a newcomer starts where the lane ended before writers could see it"},
    {"gate_frees_living", "gate-evict", "a reader that lives loses its seat at once"},
    {"gate_keeps_dead", "gate-dead", "a dead reader's seat is not freed"},
    {"gate_sleeps_blindly", "gate-write-read", "a writer sleeps for room without a last look"},
    {"gate_wakes_nobody", "gate-write-read", "a reader wakes no writer"},
    /* durable queues */
    {"durable_settles_at_once", "durable-send", "who settles frees the cell before that is in the journal"},
    {"durable_no_seal", "durable-send", "who takes the role from one whose lease ended seals nothing"},
    {"durable_marks_die", "durable-letters", "what a dead writer was about to record is not marked again"},
    {"durable_dead_keeps_role", "durable-send", "a dead writer keeps the role until its lease ends"},
    {"durable_sleeps_on", "durable-send", "who waits for the journal looks and looks, and never sleeps"},
    {"durable_marked_late", "durable-marks", "a writer says that nothing is marked after it has looked"},
    {"durable_place_first", "durable-enter", "who enters a message asks \"in place?\" before it searches, and not again"},
    {"durable_mark_lost", "durable-send", "what was settled is not marked"},
    {"durable_wakes_nobody", "durable-wakes", "a writer wakes nobody"},
    {"durable_leaves_quietly", "durable-flush", "who gives the role back wakes nobody"},
    {"durable_point_blind", "durable-send", "the point is stored, not compared and swapped"},
    {"durable_point_early", "durable-send", "the point passes a batch before it is written"},
    {"durable_no_look", "durable-none-wakes", "a writer leaves the role without a last look"},
    {"durable_moves_past", "durable-key-full", "the mover goes on past a message that is not in its lane"},
    {"durable_moves_on", "durable-send", "a committed message is taken for one that is in its lane"},
    {"durable_end_last", "durable-group-send", "the ring's end is read after the groups"},
    {"durable_snapshot_moved_only", "durable-key-snapshot", "a snapshot leaves out what is below the point and not yet moved"},
    {"durable_limbo_goes", "durable-receive", "a cell is freed while somebody looks at it"},
    {"durable_no_room_forgotten", "durable-many", "what does not fit into a batch is not marked again"},
    {"durable_settles_first", "durable-receive", "what a batch settles is freed before it counts"},
    {"durable_lost_marks_die", "durable-letters", "who lost the role forgets what he had taken to record"},
    {"durable_robbed_marks_die", "durable-robbed", "who takes the role over does not mark again what the other had taken"},
    {"durable_sync_robbed", "durable-robbed", "who flushes does not ask whether the role is still his when he finds nothing to write"},
    {"durable_failed_marks_die", "durable-letters-broken", "what a write that failed had taken to record is not marked again"},
    {"durable_drops_too_far", "durable-late", "a file is dropped with the last message that lives"},
    {"durable_entered_ahead", "durable-once-snapshot", "a snapshot takes the position that a dead sender wrote ahead for that of his message"},
    {"durable_id_lost", "durable-once", "a message is recorded without its id"},
    {"durable_id_early", "durable-once-snapshot", "a snapshot says an id whose message does not count"},
    {"durable_id_not_again", "durable-once-snapshot", "a snapshot says no ids"},
    {"durable_id_dropped", "durable-once-files", "files go with ids that are said nowhere else"},
    {"durable_told_early", "durable-once", "RP_DUPLICATE is said of a message that is not in the journal"},
    {"durable_sequence_lost", "durable-id", "a message is recorded without its producer's sequence"},
    {"durable_sequence_ahead", "durable-id-snapshot", "a snapshot says a sequence whose message does not count"},
    {"durable_sequence_behind", "durable-id-snapshot", "a snapshot says the sequence before one that counts and whose sender did not come to say so"},
    {"durable_leaves_at_once", "durable-id-remove", "a producer id is removed, and that is not recorded"},
    {"durable_leaves_unwritten", "durable-id-remove", "a producer id is removed before what was sent under it is written"},
    {"durable_left_dies", "durable-id-remove", "who was to record that an id was removed dies, and nobody else does"},
    {"durable_sweep_no_entry", "durable-send", "nobody enters a message whose sender died"},
    {0},
};

static uint64_t until_noticed(const struct mutant *m, const struct sim_program *p) {
    explore_mutant = m->name;
    uint64_t n = schedules_until_noticed(p, command.runs);
    explore_mutant = NULL;
    return n;
}

/* Every mutant, on the scenario named for it and, when hunting, on all others. */
int mutants_run(void) {
    int passed = 0, failed = 0;
    command.quiet = true;
    printf("%-27s %-18s %10s  %s\n", "MUTANT", "CAUGHT BY", "SCHEDULES", "");
    for (const struct mutant *m = mutants; m->name; m++) {
        if (command.mutant && strcmp(command.mutant, m->name) != 0)
            continue;
        const struct sim_program *p = scenario_find(m->scenario);
        uint64_t n = p ? until_noticed(m, p) : 0;
        for (unsigned l = 0; command.hunt && n == 0 && scenario_lists[l]; l++)
            for (unsigned i = 0; n == 0 && scenario_lists[l][i]; i++)
                n = until_noticed(m, p = scenario_lists[l][i]);
        if (n > 0)
            printf("%-27s %-18s %10llu  %s\n", m->name, p->name, (unsigned long long)n, m->about);
        else
            printf("%-27s %-18s %10s  %s\n", m->name, "NOBODY", "", m->about);
        *(n > 0 ? &passed : &failed) += 1;
    }
    printf("%d mutants, %d caught\n", passed + failed, passed);
    figure("mutants", (uint64_t)(passed + failed));
    figure("mutants_caught", (uint64_t)passed);
    return failed;
}
