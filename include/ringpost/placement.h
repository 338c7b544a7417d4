/* SPDX-License-Identifier: MIT */
/**
 * @file placement.h
 * Where a queue's memory lies, and what was obtained of what its creator asked for. docs/placement.md says when which of it pays.
 *
 * `numa`, `hugepages`, `prefault` and `lock_memory` of struct rp_queue_options are wishes: what cannot be had is reported here, and does not fail the create, unless `strict` is set.
 */
#ifndef RINGPOST_PLACEMENT_H
#define RINGPOST_PLACEMENT_H

#include <ringpost/export.h>
#include <ringpost/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RP_NODES_MOST 64 /**< nodes with higher numbers are neither used nor counted */

/** Bytes are those of pages. A node that has memory but no processors is used only by name. */
struct rp_placement {
    uint32_t numa;        /**< asked for: enum rp_numa */
    uint32_t numa_node;   /**< asked for, with RP_NUMA_NODE */
    uint32_t hugepages;   /**< asked for */
    uint32_t prefault;    /**< asked for */
    uint32_t lock_memory; /**< asked for */
    uint32_t nodes;       /**< NUMA nodes of this machine that have memory for us; 0: the kernel does not say */
    uint64_t
        ring_nodes; /**< bits: where it was decided that the rings should be; several: in turns; 0: wherever the kernel put them */
    uint64_t cell_nodes;                   /**< the same for the cells, which hold the messages */
    uint64_t ring_bytes;                   /**< control, seats, rings: all that is not cells */
    uint64_t cell_bytes;                   /**< the rest of the segment */
    uint64_t page_bytes;                   /**< the pages of its file system */
    uint64_t mapped_bytes;                 /**< in this process's page table: touching them takes no page fault */
    uint64_t huge_bytes;                   /**< of those, by huge pages */
    uint64_t locked_bytes;                 /**< of those, kept from being swapped out by this process */
    uint64_t ring_bytes_on[RP_NODES_MOST]; /**< where mapped rings are, by node; all 0: not known */
    uint64_t cell_bytes_on[RP_NODES_MOST]; /**< the same for cells */
    char missing[512];                     /**< what was asked for and is not so, for people; "": all is as asked */
    uint64_t shards;                       /**< lanes and ranges of cells that belong to nodes; 0: none */
    uint64_t shard_nodes;                  /**< bits: those nodes; they go round where shards are more. 0: not known */
    uint64_t shard_bytes;                  /**< pages of shards that belong to a node; 0: on a machine of one node */
    uint64_t shard_bytes_home;             /**< of those, mapped ones that are on that node */
    uint64_t reserved[4];
};

/**
 * Looks where each page is. Where nodes or huge pages were asked for or nodes were decided on, or this handle has locked its memory, it enters all pages into this process's page table
 * first (0.2 to 0.5 s per GiB); else only pages that are there already are looked at. A read-only handle may look, and locks nothing: `locked_bytes` is 0 and `missing` says nothing of locks.
 * The locks of others are in rp_participant.
 * Errors: -EINVAL, RP_FORKED. Any thread. May block on the kernel. Crash: harmless.
 */
RP_API int rp_queue_placement(rp_queue *q, struct rp_placement *out);

#ifdef __cplusplus
}
#endif
#endif
