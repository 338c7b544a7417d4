/* early.pml - an old entry in the way: a sender reaches a lane slot whose entry of the last lap nobody has taken.

   That happens because entries leave a lane out of order (purge, expiry, cancel). The sender moves the old entry aside into a second ring, early,
   which is served before the lane, so that the order of first deliveries is kept.

     W[c]      cell word {state, owner, generation};  the bit of the one group is "W is PUBLISHED or COMMITTED"
     D[c]      delivery word {state, owner, incarnation:seq};  taken <=> incarnation == generation of W
     ring 0    the lane, N slots;   ring 1   early, R slots;   slot {lap, tag (low bits of the generation | of incarnation:seq), cell}
     pos[r,c]  where the cell's entry in ring r is: {generation | incarnation:seq, position}

   The rules under test
     move      the sender at t meets a live entry of t-N: CAS D untaken -> RETURNED(incarnation, 0), then inserts the cell in early; anybody may do that.
     help      an entry that is RETURNED(.,0) may be overwritten only when it is in place in early; who wants the slot inserts it first. early full: FULL.
     claim     1. read the lane's head  2. walk early  3. walk the lane from that head.
               In the lane an entry that is RETURNED(.,0) is claimable like an untaken one.
               A lane position that was overwritten sends the claimer back to early before it goes on.
     insert    position, D, W, free slot, *then* the slot that the position names, then CAS position, CAS slot: an entry in place is never moved.

   A message given back (nack, death of its holder) is RETURNED(., seq>0); its ring is not modelled: any consumer may claim the word.
   Every shared access is one step; a CAS is load+compare+store of one word. A pause of any length is any interleaving.
   KILLS = one death before any shared write (recovered); STOPS = stopped for ever there (not recovered, nor is its lease expired).
   Checked: first deliveries of a producer in send order; EMPTY exact over early and lane together; claimed at most once per delivery, acked once;
   committed never freed, uncommitted freed; nothing left over, nobody blocked.
   Switches: N R K NP MSGS (per producer; MSGS0 for the first) NC NH KILLS STOPS PURGES NACKS TM (mask of the tags) DEL (0 direct sends, 2 each direct or delayed: no order
   asked then), MUT_*. README.md has the runs. */
#ifndef N
#define N 1
#endif
#ifndef R
#define R 2
#endif
#ifndef K
#define K 2
#endif
#ifndef NP
#define NP 1
#endif
#ifndef MSGS
#define MSGS 3
#endif
#ifndef MSGS0
#define MSGS0 MSGS
#endif
#ifndef NC
#define NC 2
#endif
#ifndef NH
#define NH 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef PURGES
#define PURGES 0
#endif
#ifndef NACKS
#define NACKS 0
#endif
#ifndef TM
#define TM 31
#endif
#ifndef DEL
#define DEL 0
#endif
#define M (NP*MSGS)
#define NOB 7
/* identities: producers 0..1, consumers 2..3, housekeepers 4..5 */
#define FREE 0
#define OWN 1
#define PUB 2
#define COMM 3
#define DLY 4
#define mkW(s,o,g) ((s)|((o)<<3)|((g)<<6))
#define wS(x) ((x)&7)
#define wO(x) (((x)>>3)&7)
#define wG(x) ((x)>>6)
#define isP(x) (wS(x)==PUB||wS(x)==COMM)
#define SETTLED 0
#define LEASED 1
#define RETD 2
#define mkD(s,o,g) ((s)|((o)<<2)|((g)<<5))
#define dS(x) ((x)&3)
#define dO(x) (((x)>>2)&7)
#define dG(x) ((x)>>5)              /* incarnation*4 + seq */
#define SEQ(x) (dG(x)&3)
#define TAKEN(d,w) (dG(d)/4==wG(w))
#define EARLY(d,w) (TAKEN(d,w) && dS(d)==RETD && SEQ(d)==0)
#define mkS(l,g,c) ((c)|(((g)&TM)<<2)|((l)<<7))
#define sC(x) ((x)&3)
#define sG(x) (((x)>>2)&31)
#define sL(x) ((x)>>7)
#define mkP(g,t) ((t)|((g)<<5))
#define pT(x) ((x)&31)
#define pG(x) ((x)>>5)
#define RN(r) ((r)==0 -> N : R)
#define IXS(r,t) ((r)==0 -> (t)%N : N+(t)%R)
#define LAP(r,t) ((t)/RN(r)+1)
short W[K], D[K], S[N+R], pos[2*K]; byte pay[K]; byte hd[2], tl[2];
byte kills=KILLS, stops=STOPS, purges=PURGES, nacks=NACKS;
byte ps[6];                          /* 0 alive 1 dead 2 stopped for ever */
/* ghosts */
byte readers[K]; bool com[M+1], ack[M+1], drp[M+1]; byte cl[M+1], rt[M+1]; byte pdone;

#define CR :: atomic { kills>0 -> kills--; ps[me]=1; goto died } :: atomic { stops>0 -> stops--; ps[me]=2; goto died }
#define INPL(r,c,g) (pG(pos[(r)*K+c])==(g) && S[IXS(r,pT(pos[(r)*K+c]))]==mkS(LAP(r,pT(pos[(r)*K+c])),g,c))
/* a first delivery that can be had now (whether or not it is in early already) */
#define AV(c) (isP(W[c]) && ((!TAKEN(D[c],W[c]) && INPL(0,c,wG(W[c]))) || EARLY(D[c],W[c])))
#define RQ(c) (dS(D[c])==RETD && SEQ(D[c])>0)
#define NEED0(c) (wS(W[c])==COMM && !TAKEN(D[c],W[c]) && !INPL(0,c,wG(W[c])) && ROOM)
#ifdef ANYTIME                     /* a housekeeper inserts at any time; else only for a mover that is dead or stopped (who needs the slot helps in any case) */
#define HLP(i) 1
#else
#define HLP(i) (ps[i]!=0)
#endif
#define NEED1(c) (isP(W[c]) && EARLY(D[c],W[c]) && HLP(dO(D[c])) && !INPL(1,c,dG(D[c])) && EROOM)
#define UNS(c) (dS(D[c])==SETTLED && isP(W[c]) && TAKEN(D[c],W[c]) && ps[dO(D[c])]!=0)
/* the entry c sits in early's next slot, one lap ago */
#define NEXT(r,q) (sL(S[IXS(r,(q)+RN(r)-1)])>=LAP(r,(q)+RN(r)-1))     /* the slot of position q is the next to be filled */
#define EOLD(c) (dS(D[c])==RETD && INPL(1,c,dG(D[c])) && NEXT(1,pT(pos[K+c])))
#define LOLD(c) ((isP(W[c]) && !TAKEN(D[c],W[c]) && INPL(0,c,wG(W[c])) && NEXT(0,pT(pos[c]))) || (isP(W[c]) && EARLY(D[c],W[c]) && !INPL(1,c,dG(D[c]))))
#define PURG(c) (isP(W[c]) && (!TAKEN(D[c],W[c]) || dS(D[c])==RETD))
#define NMC(p,c) ((wS(W[c])==OWN && wO(W[c])==p) || (wS(W[c])==PUB && wO(W[c])==p && !TAKEN(D[c],W[c])) || (dS(D[c])==LEASED && dO(D[c])==p))
#if K==2
#define ANY(X) (X(0)||X(1))
#define NAMES(p) (NMC(p,0)||NMC(p,1))
#else
#define ANY(X) (X(0)||X(1)||X(2))
#define NAMES(p) (NMC(p,0)||NMC(p,1)||NMC(p,2))
#endif
#define AVAIL ANY(AV)
#define EROOM (!(ANY(EOLD)))
#define ROOM (EROOM || !(ANY(LOLD)))

/* head and tail are hints: moved by whoever saw that they may move, or (LAG) not */
inline bump(h,v) {
#ifdef LAG
  if :: h<(v) -> h=(v) :: skip fi
#else
  d_step { if :: h<(v) -> h=(v) :: else fi }
#endif
}
/* insert c in early if it is RETURNED(.,0) and not in place. okk=0: early is full. Variables et es eg ed ep of its own. */
inline insE(ec) {
  do
  :: ep=pos[K+ec];                                      /* 1 position */
     ed=D[ec]; eg=dG(ed);                               /* 2 the word */
     if :: dS(ed)==RETD && SEQ(ed)==0 -> skip :: else -> okk=1; break fi;
     et=tl[1];                                          /* 3 the first free slot */
#ifdef MUT_PLACEFIRST
     es=S[IXS(1,pT(ep))];
     if :: pG(ep)==eg && es==mkS(LAP(1,pT(ep)),eg,ec) -> okk=1; break :: else fi;
#endif
     do
     :: es=S[IXS(1,et)];
        if
        :: sL(es)==LAP(1,et) -> bump(tl[1],et+1); et++
        :: sL(es)>LAP(1,et) -> et=tl[1]
        :: else -> okk=1;
           if
           :: sL(es)==0 -> skip
           :: else -> ex=D[sC(es)];
              if :: dS(ex)==RETD && (dG(ex)&TM)==sG(es) -> okk=(pos[K+sC(es)]!=mkP(dG(ex),et-R)) :: else fi
           fi;
           if :: okk || tl[1]<=et -> break :: else -> et=tl[1] fi
        fi
     od;
#ifndef MUT_PLACEFIRST
     ex=S[IXS(1,pT(ep))];                               /* 4 the slot that the position names: after the search, so the answer is final */
     if :: pG(ep)==eg && ex==mkS(LAP(1,pT(ep)),eg,ec) -> okk=1; break :: else fi;
#endif
     if :: !okk -> break :: else fi;
#ifdef MUT_BARE
     if :: pos[K+ec]=mkP(eg,et); okk=1 CR fi;
#else
     if :: d_step { if :: pos[K+ec]==ep -> pos[K+ec]=mkP(eg,et); okk=1 :: else -> okk=0 fi } CR fi;   /* 5 */
#endif
     if
     :: okk ->
        if                                              /* 6 */
        :: d_step { if :: S[IXS(1,et)]==es -> S[IXS(1,et)]=mkS(LAP(1,et),eg,ec); okk=1 :: else -> okk=0 fi }
        CR fi;
        if :: okk -> break :: else fi
     :: else
     fi
  od;
  skip; d_step { et=0;es=0;eg=0;ed=0;ep=0;ex=0 }
}
/* the first free lane slot; moves what is in the way. okk=1: t, s   okk=0: full */
inline find() {
  t=tl[0];
  do
  :: s=S[IXS(0,t)];
     if
     :: sL(s)==LAP(0,t) -> bump(tl[0],t+1); t++
     :: sL(s)>LAP(0,t) -> t=tl[0]
     :: else -> okk=1;
        do
        :: sL(s)==0 -> break
        :: sL(s)>0 -> x=D[sC(s)]; y=W[sC(s)];            /* D, then W, then position */
#ifdef MUT_MOVENOPOS
           if :: isP(y) && (wG(y)&TM)==sG(s) && (!TAKEN(x,y) || EARLY(x,y)) ->
#else
           if :: isP(y) && (wG(y)&TM)==sG(s) && (!TAKEN(x,y) || EARLY(x,y)) && pos[sC(s)]==mkP(wG(y),t-N) ->
#endif
              if
              :: !TAKEN(x,y) ->
#ifdef MUT_NOMOVE
                 break
#endif
                 if
                 :: d_step { if :: D[sC(s)]==x -> D[sC(s)]=mkD(RETD,me,wG(y)*4); assert(com[pay[sC(s)]] && W[sC(s)]==y) :: else fi }
                 CR fi
              :: else ->
#ifdef MUT_NOHELP
                 break;
#endif
                 ep=pos[K+sC(s)]; es=S[IXS(1,pT(ep))];
#ifdef MUT_POSONLY
                 if :: pG(ep)==dG(x) -> ep=0; es=0; break :: else fi;
#endif
                 if :: pG(ep)==dG(x) && es==mkS(LAP(1,pT(ep)),dG(x),sC(s)) -> ep=0; es=0; break :: else fi;
                 insE(sC(s));
                 if :: okk -> skip :: else -> break fi       /* inserted: look again */
              fi
           :: else -> break
           fi
        od;
        if :: okk || tl[0]<=t -> break :: else -> t=tl[0] fi
     fi
  od; x=0; y=0
}
inline settle(sc,inc) {
  if :: d_step { if :: isP(W[sc]) && wG(W[sc])==(inc) -> assert(readers[sc]==0); W[sc]=mkW(FREE,NOB,inc) :: else fi } CR fi
}
/* the CAS of a claim: c from the word d; first: a first delivery */
inline take(x1) {
  if
  :: d_step { if :: D[c]==d -> D[c]=x1; okk=1; msg=pay[c]; readers[c]++; assert(isP(W[c]) && com[msg] && wG(W[c])==dG(x1)/4);
                    assert(!ack[msg] && !drp[msg] && cl[msg]==rt[msg]); cl[msg]++;
#if DEL==0
                    if :: SEQ(x1)==0 ->                      /* every older message of this producer has been had */
                          p=((msg-1)/MSGS)*MSGS+1; do :: p<msg -> assert(!com[p] || cl[p]>0 || drp[p]); p++ :: else -> break od; p=0 :: else fi
#endif
                 :: else -> okk=0 fi }
  CR fi
}

/* messages m0+1 .. m0+MSGS */
proctype P(byte me) {
  byte t, c, m=1, g; short s, x, y; bool okk; byte et, eg; short es, ed, ep, ex;
  do
  :: m<=(me==0 -> MSGS0 : MSGS) ->
    if
#define ALLOC(cc) :: d_step { wS(W[cc])==FREE -> assert(readers[cc]==0); c=cc; g=wG(W[cc]); W[cc]=mkW(OWN,me,g); pay[cc]=me*MSGS+m }
    ALLOC(0)
    ALLOC(1)
#if K>2
    ALLOC(2)
#endif
    CR fi;
    if
#if DEL
    :: d_step { W[c]=mkW(DLY,me,g); com[me*MSGS+m]=1 }
#endif
    :: W[c]=mkW(PUB,me,g+1) -> g++;
       do
       :: find();
          if
          :: okk ->
             if :: pos[c]=mkP(g,t) CR fi;
             if
             :: d_step { if :: S[IXS(0,t)]==s -> S[IXS(0,t)]=mkS(LAP(0,t),g,c); okk=1;
                               assert(W[c]==mkW(PUB,me,g) && !com[me*MSGS+m]); com[me*MSGS+m]=1
                            :: else -> okk=0 fi }
             CR fi;
             if :: okk -> break :: else fi
          :: else ->
             if :: d_step { assert(W[c]==mkW(PUB,me,g)); g--; W[c]=mkW(OWN,me,g) } CR fi;
             ROOM;
             if :: W[c]=mkW(PUB,me,g+1) -> g++ CR fi
          fi
       od
    CR fi;
    skip; d_step { t=0;s=0;c=0;g=0;okk=0;x=0;y=0; m++ }
  :: else -> break
  od;
  if :: pdone++ CR fi;
died: skip
}

proctype C(byte me) {
  byte t, e, c, msg; short s, x, d, w, p; bool okk, rq;
end:
  do
  :: atomic { AVAIL -> skip }; goto first
  :: atomic { RQ(0) -> c=0 }; goto again
  :: atomic { RQ(1) -> c=1 }; goto again
#if K>2
  :: atomic { RQ(2) -> c=2 }; goto again
#endif
  od;
again: d=D[c];                                           /* a redelivery; its ring is not modelled */
  if :: dS(d)==RETD && SEQ(d)>0 -> x=mkD(LEASED,me,dG(d)); take(x) :: else fi;
  goto took;
first:
#ifndef MUT_HEADLATE
  t=hd[0];
#endif
early: e=hd[1]; okk=0;
  do
  :: s=S[IXS(1,e)];
     if
     :: sL(s)<LAP(1,e) -> break
     :: sL(s)>LAP(1,e) -> bump(hd[1],e+1); e++
     :: else -> c=sC(s); d=D[c];
#ifdef MUT_NOPOS
        p=mkP(dG(d),e);
#else
        p=pos[K+c];
#endif
        if
        :: dS(d)==RETD && (dG(d)&TM)==sG(s) && p==mkP(dG(d),e) ->
           x=mkD(LEASED,me,dG(d)); take(x);
           if :: okk -> bump(hd[1],e+1); goto took :: else fi
        :: else -> bump(hd[1],e+1); e++
        fi
     fi
  od;
  skip; d_step { e=0; c=0; d=0; p=0; s=0; okk=0 };
#ifdef MUT_HEADLATE
  t=hd[0];
#endif
  do
  :: d_step { s=S[IXS(0,t)]; assert(sL(s)>=LAP(0,t) || !AVAIL) };      /* EMPTY is exact */
     if
     :: sL(s)<LAP(0,t) -> break
     :: sL(s)>LAP(0,t) -> bump(hd[0],t+1); t++;
#ifndef MUT_NOAGAIN
        goto early                                       /* overwritten: what stood here may be in early now */
#endif
     :: else -> c=sC(s);
        d=D[c]; w=W[c];
#ifdef MUT_NOPOS
        p=mkP(wG(w),t);
#else
        p=pos[c];
#endif
#ifdef MUT_LANESKIP                                       /* RETURNED(.,0) is not claimable in the lane */
        if :: isP(w) && (wG(w)&TM)==sG(s) && !TAKEN(d,w) && p==mkP(wG(w),t) ->
#else
        if :: isP(w) && (wG(w)&TM)==sG(s) && (!TAKEN(d,w) || EARLY(d,w)) && p==mkP(wG(w),t) ->
#endif
           x=mkD(LEASED,me,wG(w)*4); take(x);
           if :: okk -> bump(hd[0],t+1); goto took :: else fi
        :: else -> bump(hd[0],t+1); t++
        fi
     fi
  od;
took: skip; d_step { t=0;e=0;s=0;w=0;d=0;p=0 };
  if :: !okk -> goto reset :: else fi;
  if
  :: d_step { d=D[c]; okk=0; assert(pay[c]==msg && d==x); readers[c]--; ack[msg]=1; D[c]=mkD(SETTLED,me,dG(d)); okk=1 }
  :: d_step { nacks>0 -> nacks--; d=D[c]; okk=0; assert(pay[c]==msg && d==x); readers[c]--; rt[msg]++;
#ifdef MUT_SEQ0                                            /* given back without a charge, and so with the same seq */
       D[c]=mkD(RETD,me,dG(d))
#else
       D[c]=mkD(RETD,me,dG(d)+1)
#endif
     }
  CR fi;
  if :: okk -> settle(c,dG(d)/4) :: else fi;
reset: skip; d_step { t=0;e=0;s=0;c=0;okk=0;w=0;x=0;d=0;msg=0;p=0 };
  goto end;
died: skip
}

proctype H(byte me) {
  byte t, c, g, p; short s, x, y, d, w, pv; bool okk; byte et, eg; short es, ed, ep, ex;
end:
  do
#define ACT(cc) \
  :: atomic { NEED1(cc) -> c=cc }; goto in1 \
  :: atomic { UNS(cc) -> c=cc }; goto help \
  :: atomic { purges>0 && PURG(cc) -> c=cc }; goto purge
  ACT(0)
  ACT(1)
#if K>2
  ACT(2)
#endif
#if DEL
#define ACD(cc) \
  :: atomic { wS(W[cc])==DLY -> c=cc }; goto due \
  :: atomic { NEED0(cc) -> c=cc }; goto in0
  ACD(0)
  ACD(1)
#if K>2
  ACD(2)
#endif
#endif
#if KILLS
  :: atomic { ps[0]==1 && NAMES(0) -> p=0 }; goto scan
#if NP>1
  :: atomic { ps[1]==1 && NAMES(1) -> p=1 }; goto scan
#endif
  :: atomic { ps[2]==1 && NAMES(2) -> p=2 }; goto scan
#if NC>1
  :: atomic { ps[3]==1 && NAMES(3) -> p=3 }; goto scan
#endif
#endif
  od;
#if DEL
due: w=W[c];
  if :: d_step { if :: wS(w)==DLY && W[c]==w -> W[c]=mkW(COMM,me,wG(w)+1) :: else fi } CR fi;
in0: do                                                  /* insert c in the lane if it is COMMITTED, untaken and not in place */
  :: pv=pos[c];
     d=D[c]; w=W[c]; g=wG(w);
     if :: wS(w)==COMM && !TAKEN(d,w) -> skip :: else -> break fi;
#ifdef MUT_PLACEFIRST
     s=S[IXS(0,pT(pv))];
     if :: pG(pv)==g && s==mkS(LAP(0,pT(pv)),g,c) -> break :: else fi;
#endif
     find();
#ifndef MUT_PLACEFIRST
     x=S[IXS(0,pT(pv))];
     if :: pG(pv)==g && x==mkS(LAP(0,pT(pv)),g,c) -> break :: else fi;
#endif
     if :: !okk -> break :: else fi;
     if :: d_step { if :: pos[c]==pv -> pos[c]=mkP(g,t); okk=1 :: else -> okk=0 fi } CR fi;
     if
     :: okk ->
        if
        :: d_step { if :: S[IXS(0,t)]==s -> S[IXS(0,t)]=mkS(LAP(0,t),g,c); okk=1 :: else -> okk=0 fi }
        CR fi;
        if :: okk -> break :: else fi
     :: else
     fi
  od;
  goto reset;
#endif
in1: insE(c); goto reset;
help: d=D[c]; if :: dS(d)==SETTLED -> settle(c,dG(d)/4) :: else fi; goto reset;
purge: d=D[c]; w=W[c]; okk=0;                            /* D, W, then the verdict, CAS D */
  if
  :: isP(w) && (!TAKEN(d,w) || dS(d)==RETD) ->
     okk=1;
     if :: !TAKEN(d,w) && wS(w)==PUB -> pv=pos[c]; okk=(pG(pv)==wG(w)); s=S[IXS(0,pT(pv))]; okk=(okk && s==mkS(LAP(0,pT(pv)),wG(w),c)) :: else fi;
     if
     :: okk ->
        if :: d_step { if :: D[c]==d && purges>0 -> purges--; assert(isP(W[c]) && wG(W[c])==wG(w) && com[pay[c]]); drp[pay[c]]=1;
                             x=(TAKEN(d,w) -> dG(d) : wG(w)*4); D[c]=mkD(SETTLED,me,x); okk=1 :: else -> okk=0 fi } CR fi;
        if :: okk -> settle(c,wG(w)) :: else fi
     :: else
     fi
  :: else
  fi;
  goto reset;
scan: c=0;                                               /* p is dead */
  do
  :: c<K ->
     w=W[c];
     if
     :: wS(w)==OWN && wO(w)==p -> if :: d_step { if :: W[c]==w -> W[c]=mkW(FREE,NOB,wG(w)) :: else fi } CR fi
     :: wS(w)==PUB && wO(w)==p ->
#ifdef MUT_DFIRST
        d=D[c]; pv=pos[c]; s=S[IXS(0,pT(pv))];
#else
        pv=pos[c]; s=S[IXS(0,pT(pv))]; d=D[c];
#endif
#ifdef MUT_SLOTONLY
        d=0;
#endif
#ifdef MUT_NOTTAKEN0
        if :: EARLY(d,w) -> d=0 :: else fi;
#endif
        if
        :: (pG(pv)==wG(w) && s==mkS(LAP(0,pT(pv)),wG(w),c)) || TAKEN(d,w) -> skip
        :: else -> if :: d_step { if :: W[c]==w -> assert(!com[pay[c]] && readers[c]==0); W[c]=mkW(FREE,NOB,wG(w)) :: else fi } CR fi
        fi
     :: else
     fi;
     d=D[c];
     if
     :: dS(d)==LEASED && dO(d)==p ->
        if :: d_step { if :: D[c]==d -> D[c]=mkD(RETD,NOB,dG(d)+1); readers[c]--; rt[pay[c]]++ :: else fi } CR fi
     :: else
     fi;
     skip; d_step { s=0;w=0;d=0;pv=0; c++ }
  :: else -> break
  od;
reset: skip; d_step { t=0;s=0;c=0;g=0;p=0;okk=0;w=0;x=0;y=0;d=0;pv=0 };
  goto end;
died: skip
}

init {
  byte i;
  atomic {
    i=0; do :: i<K -> W[i]=mkW(FREE,NOB,1); D[i]=mkD(SETTLED,NOB,4); i++ :: else -> break od;
    run P(0);
#if NP>1
    run P(1);
#endif
    run C(2);
#if NC>1
    run C(3);
#else
    ps[3]=1;
#endif
#if NH>0
    run H(4);
#endif
#if NH>1
    run H(5);
#else
    ps[5]=1;
#endif
    skip
  }
  timeout;
  d_step {
  if
  :: (ps[2]==0||ps[3]==0) && (ps[4]==0||ps[5]==0) ->
    assert(pdone+(ps[0]!=0)+(ps[1]!=0)>=NP);
    i=0; do :: i<K ->
      if
      :: wS(W[i])==FREE -> assert(readers[i]==0)
      :: wS(W[i])==OWN || (wS(W[i])==PUB && !com[pay[i]]) -> assert(ps[wO(W[i])]==2)
      :: else -> assert(dS(D[i])==LEASED && ps[dO(D[i])]==2)
      fi; i++ :: else -> break od;
    i=1; do :: i<=M -> if :: com[i] -> assert(ack[i]+drp[i]==1 || ps[2]==2 || ps[3]==2) :: else -> assert(cl[i]==0 && !drp[i]) fi; i++ :: else -> break od
  :: else
  fi }
}
