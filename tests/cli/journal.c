/* SPDX-License-Identifier: MIT */
/* journal DIRECTORY QUEUE FILES: makes a journal of so many files, each with two batches of ten records. */
#include "error.h"
#include "journal_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    enum { FILE_SIZE = 64 << 10, ROOM = JOURNAL_BLOCK_BYTES, RECORD = 100 };
    struct journal_dir d;
    struct journal_file f;
    struct journal_point at, *previous = NULL;
    struct journal_batch b;
    uint64_t sequence = 0, files = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    void *buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, ROOM);
    int result = files > 0 && buffer ? journal_dir_create(argv[1], argv[2], &d) : fail(-1, "journal DIRECTORY QUEUE FILES");
    for (uint64_t number = 1; number <= files && result == 0; number++) {
        struct journal_file_options o = {
            .number = number, .first_sequence = sequence + 1, .bytes = FILE_SIZE, .previous = previous};
        result = journal_file_create(&d, &o, JOURNAL_WRITE, &f);
        if (result < 0)
            break;
        at = journal_file_begin(&f);
        previous = &at;
        for (int batch = 0; batch < 2 && result == 0; batch++) {
            journal_batch_begin(&b, buffer, ROOM);
            for (int i = 0; i < 10; i++)
                memset(journal_batch_add(&b, 1, 0, ++sequence, RECORD), 'x', RECORD);
            result = journal_file_write(&f, &at, &b);
            if (result == 0)
                result = journal_file_sync(&f, &at);
        }
        journal_file_close(&f);
    }
    free(buffer);
    if (result < 0)
        fprintf(stderr, "%s\n", rp_error_detail());
    return result < 0;
}
