/* SPDX-License-Identifier: MIT */
/* The queue, the messages, and those who take part. */
#include "durable_store.h"
#include "error.h"
#include "fork.h"
#include "step.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void must_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s (%s)\n", file, line, what, rp_error_detail());
    exit(2);
}

void book_enter(struct book *b, unsigned serial, unsigned before, unsigned after) {
    b->before[serial] = (uint8_t)before;
    b->after[serial] = (uint8_t)after;
}

size_t letter_write(unsigned char out[LETTER_BYTES], unsigned serial) {
    size_t words = 1 + serial % (LETTER_BYTES / 8);
    for (size_t i = 0; i < words; i++) {
        uint64_t word = (serial * UINT64_C(64) + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        word = i == 0 ? (word & ~UINT64_C(0xffff)) | serial : word ^ word >> 29;
        memcpy(out + 8 * i, &word, 8);
    }
    return 8 * words;
}

int letter_read(const void *data, size_t bytes) {
    unsigned char expected[LETTER_BYTES];
    uint16_t serial;
    if (bytes < 8)
        return -1;
    memcpy(&serial, data, sizeof serial);
    return letter_write(expected, serial) == bytes && memcmp(expected, data, bytes) == 0 ? serial : -1;
}

/* ---- parties ---- */

void party_open(struct party *p, const char *name, uint32_t ack, uint32_t prefetch) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.ack = ack;
    o.prefetch = prefetch;
    *p = (struct party){0};
    must(rp_queue_open(name, NULL, &p->queue) == 0);
    must(rp_producer_open(p->queue, NULL, &p->producer) == 0);
    must(rp_consumer_open(p->queue, &o, &p->consumer) == 0);
}

void party_close(struct party *p) {
    rp_producer_close(p->producer);
    rp_consumer_close(p->consumer);
    must(rp_queue_close(p->queue) == 0);
    *p = (struct party){0};
}

static void forget(struct party *p) {
    struct rp_queue *q = p->queue;
    store_close(q->store);
    prober_close(&q->prober);
    fork_canary_destroy(q->canary);
    if (p->producer) {
        free(p->producer->loans);
        free(p->producer->lanes);
    }
    free(p->producer);
    if (p->consumer) {
        free(p->consumer->views);
        free(p->consumer->lanes);
    }
    free(p->consumer);
    free(q);
    *p = (struct party){0};
}

void party_die(struct party *p) {
    shm_unmap(p->queue->memory, p->queue->segment.layout.bytes);
    forget(p);
}

int party_send(struct party *p, unsigned serial) {
    unsigned char letter[LETTER_BYTES];
    size_t bytes = letter_write(letter, serial);
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    return rp_send(p->producer, letter, bytes, &o);
}

int party_send_once(struct party *p, unsigned serial) {
    const struct book booked = {.once = serial};
    return send_as_booked(&booked, p->producer, serial);
}

int send_as_booked(const struct book *b, rp_producer *p, unsigned serial) {
    unsigned char letter[LETTER_BYTES];
    size_t bytes = letter_write(letter, serial);
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    if (serial == b->once) {
        o.dedup_id = &serial;
        o.dedup_id_bytes = sizeof serial;
    }
    if (serial == b->numbered)
        o.sequence = serial;
    return rp_send(p, letter, bytes, &o);
}

#define VICTIM "the victim"

int numbered_open(rp_queue *q, rp_producer **out) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = VICTIM;
    o.id_bytes = strlen(VICTIM);
    return rp_producer_open(q, &o, out);
}

int numbered_remove(rp_queue *q) { return rp_producer_id_remove(q, VICTIM, strlen(VICTIM)); }

int work_ask(struct party *p, struct rp_message *m) { return rp_seen(p->consumer, m, "the work", 8); }

int work_forward(const struct book *b, struct party *p, struct rp_message *m) {
    unsigned char letter[LETTER_BYTES];
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    return rp_forward(p->consumer, m, p->producer, letter, letter_write(letter, b->output), &o);
}

int party_receive(struct party *p) {
    must(p->held_count < PARTY_HOLDS);
    struct rp_message *m = &p->held[p->held_count];
    if (rp_receive(p->consumer, m, 0) != 0)
        return -1;
    p->held_count++;
    int serial = letter_read(m->data, m->bytes);
    must(serial >= 0);
    return serial;
}

void memory_free(struct memory_of_party *m) {
    free(m->views);
    free(m->sender_lanes);
    free(m->receiver_lanes);
    *m = (struct memory_of_party){0};
}

static void *copy_of(const void *from, size_t bytes) {
    void *to = malloc(bytes);
    must(to != NULL);
    return memcpy(to, from, bytes);
}

void party_remember(const struct party *p, struct memory_of_party *m) {
    memory_free(m);
    size_t lanes = p->consumer->lane_count;
    *m = (struct memory_of_party){.party = *p,
                                  .queue = *p->queue,
                                  .producer = *p->producer,
                                  .consumer = *p->consumer,
                                  .views = copy_of(p->consumer->views, p->consumer->view_room * sizeof *m->views),
                                  .sender_lanes = copy_of(p->producer->lanes, lanes * sizeof *m->sender_lanes),
                                  .receiver_lanes = copy_of(p->consumer->lanes, lanes * sizeof *m->receiver_lanes)};
}

/* Neither loans nor messages claimed ahead: a neighbour has none. */
void party_rewind(struct party *p, const struct memory_of_party *m) {
    store_close(p->queue->store); /* its files may be others now */
    *p = m->party;
    *p->queue = m->queue;
    p->queue->store = NULL;
    *p->producer = m->producer;
    *p->consumer = m->consumer;
    memcpy(p->consumer->views, m->views, m->consumer.view_room * sizeof *m->views);
    memcpy(p->producer->lanes, m->sender_lanes, m->consumer.lane_count * sizeof *m->sender_lanes);
    memcpy(p->consumer->lanes, m->receiver_lanes, m->consumer.lane_count * sizeof *m->receiver_lanes);
}

/* ---- the world ---- */

enum { PATH_BYTES = 128 };

const char *journal_path(void) {
    static char path[64];
    snprintf(path, sizeof path, "/dev/shm/crash_step.%d.journal", (int)getpid());
    return path;
}

static void remove_journal(const char *path) {
    DIR *entries = opendir(path);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries != NULL)
        closedir(entries);
    rmdir(path);
}

static void journal_name(char path[PATH_BYTES], const char *directory) {
    snprintf(path, PATH_BYTES, "%s/%016x.journal", directory, 1);
}

unsigned char *journal_take(const struct world *w) {
    char path[PATH_BYTES];
    if (w->options.journal == NULL)
        return NULL;
    journal_name(path, w->options.journal);
    unsigned char *bytes = malloc(w->options.journal_file_bytes);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(bytes != NULL && fd >= 0);
    must(read(fd, bytes, w->options.journal_file_bytes) == (ssize_t)w->options.journal_file_bytes);
    close(fd);
    return bytes;
}

/* The files that survivors made go, and what they wrote to the first one. */
static void put_journal_back(const struct world *w) {
    char path[PATH_BYTES];
    DIR *entries = opendir(w->options.journal);
    must(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strstr(entry->d_name, ".journal") != NULL)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    journal_name(path, w->options.journal);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, w->journal, w->options.journal_file_bytes) == (ssize_t)w->options.journal_file_bytes);
    close(fd);
}

void world_create(struct world *w, struct book *b, const char *name, const struct rp_queue_options *o) {
    struct stat status;
    char path[SHM_PATH_MAX];
    *w = (struct world){.options = *o, .book = b};
    snprintf(w->name, sizeof w->name, "%s", name);
    memset(b, 0, sizeof *b);
    b->next_serial = 1;
    b->next_victim_serial = VICTIM_SERIALS;
    rp_queue_unlink(name);
    if (o->journal != NULL)
        remove_journal(o->journal);
    rp_queue *q;
    must(rp_queue_create(name, o, &q) == 0 && rp_queue_close(q) == 0);
    must(shm_path(name, path) == 0 && (w->file = open(path, O_RDWR | O_CLOEXEC)) >= 0 && fstat(w->file, &status) == 0);
    w->bytes = (size_t)status.st_size;
    w->memory = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->file, 0);
    must(w->memory != MAP_FAILED);
    party_open(&w->neighbour, name, RP_ACK_EXPLICIT, 0);
}

void world_destroy(struct world *w) {
    if (!w->neighbour_died)
        party_die(&w->neighbour);
    memory_free(&w->neighbour_then);
    munmap(w->memory, w->bytes);
    close(w->file);
    must(rp_queue_unlink(w->name) == 0);
    if (w->options.journal != NULL)
        remove_journal(w->options.journal);
}

void world_restore(struct world *w, const unsigned char *image) {
    memcpy(w->memory, image, w->bytes);
    if (w->journal != NULL)
        put_journal_back(w);
    if (!w->neighbour_died)
        party_rewind(&w->neighbour, &w->neighbour_then);
}

void world_let_pass(struct world *w, uint64_t ms) {
    struct header *h = (struct header *)(void *)w->memory;
    h->epoch_boot_ns -= ms * 1000000;
    h->check = header_check(h);
    if (!w->neighbour_died)
        w->neighbour.queue->segment.epoch_boot_ns = h->epoch_boot_ns;
}

unsigned world_send(struct world *w) {
    unsigned serial = w->book->next_serial++;
    must(serial < VICTIM_SERIALS && party_send(&w->neighbour, serial) == 0);
    book_enter(w->book, serial, FATE_DELIVERED, FATE_DELIVERED);
    return serial;
}
