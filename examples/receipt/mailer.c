/* SPDX-License-Identifier: MIT */
/*
 * The e-mail service: sends a receipt for each note in the queue. It may be down, or be killed anywhere; any number may run.
 *
 *     mailer QUEUE MAILBOX [ALIASES]
 *
 * MAILBOX is a directory, and our mail server: like a real one that is given a message id (or an idempotency key), it takes each id once. That closes the one gap that
 * acknowledgements leave: a mailer that was killed after it had sent the mail and before it said so gets the note again.
 */
#include <errno.h>
#include <fcntl.h>
#include <ringpost/ringpost.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static rp_queue *q;

static void stop(int signal) {
    (void)signal;
    rp_queue_interrupt(q);
}

/* Where mail for `name` goes, when it is no address: "name address" lines of the file of aliases. */
static int find_alias(const char *file, const char *name, char address[64]) {
    char line[200], alias[64];
    FILE *f = file ? fopen(file, "r") : NULL;
    int found = 0;
    while (f && !found && fgets(line, sizeof line, f))
        found = sscanf(line, "%63s %63s", alias, address) == 2 && strcmp(alias, name) == 0;
    if (f)
        fclose(f);
    return found;
}

/* 0: sent, now or before. A mail appears whole or not at all. */
static int send_mail(const char *mailbox, long id, const char *to, const char *amount) {
    char draft[512], mail[512], text[200];
    snprintf(draft, sizeof draft, "%s/.draft.%d", mailbox, (int)getpid());
    snprintf(mail, sizeof mail, "%s/%ld.eml", mailbox, id);
    int bytes =
        snprintf(text, sizeof text, "To: %s\nMessage-ID: <payment-%ld@example.org>\n\nThank you for %s euros.\n", to, id, amount);
    unlink(draft); /* of one with our pid, who was killed: it may be a receipt by now, and is not to be written over */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL, 0600), result = 0;
    if (fd < 0)
        return -errno;
    if (write(fd, text, (size_t)bytes) != bytes || (link(draft, mail) != 0 && errno != EEXIST))
        result = -errno;
    close(fd);
    unlink(draft);
    return result;
}

static int handle(rp_consumer *c, struct rp_message *m, const char *mailbox, const char *aliases) {
    char note[129], to[64], address[64], amount[32];
    long payment;
    snprintf(note, sizeof note, "%.*s", (int)m->bytes, (const char *)m->data);
    if (sscanf(note, "%ld %63s %31s", &payment, to, amount) != 3)
        return rp_reject(c, m, "not a note");
    if (!strchr(to, '@')) {
        if (!find_alias(aliases, to, address))
            return rp_reject(c, m, "550 no such address"); /* no use in trying again: to the dead ring, where somebody will look */
        snprintf(to, sizeof to, "%s", address);
    }
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* talking to a mail server takes its time */
    int result = send_mail(mailbox, payment, to, amount);
    return result == 0 ? rp_ack(c, m) : rp_nack(c, m, NULL); /* the mail server is ill: again, after a while */
}

int main(int argc, char **argv) {
    rp_consumer *c;
    struct rp_message m;
    if (argc < 3) {
        fprintf(stderr, "usage: mailer QUEUE MAILBOX [ALIASES]\n");
        return 2;
    }
    int result = rp_queue_open(argv[1], NULL, &q);
    if (result == 0)
        result = rp_consumer_open(q, NULL, &c);
    if (result < 0) {
        fprintf(stderr, "mailer: %s (%s)\n", rp_error_text(result), rp_error_detail());
        return 1;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    while ((result = rp_receive(c, &m, -1)) == 0 || result == RP_PAUSED) {
        if (result == 0 && (result = handle(c, &m, argv[2], argc > 3 ? argv[3] : NULL)) < 0 && result != RP_LEASE_LOST)
            fprintf(stderr, "mailer: note %llu: %s\n", (unsigned long long)m.id, rp_error_text(result));
    }
    rp_consumer_close(c); /* what it holds goes back at once */
    rp_queue_close(q);
    return result == -EINTR ? 0 : 1;
}
