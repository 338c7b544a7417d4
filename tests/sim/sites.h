/* SPDX-License-Identifier: MIT */
/* Every access of the code that changes something, made defective in turn: does anybody notice? */
#ifndef SIM_SITES_H
#define SIM_SITES_H

/* Prints the table. What nobody notices is to be looked at, and is not always wrong: a hint may be anything. */
void sites_run(void);

#endif
