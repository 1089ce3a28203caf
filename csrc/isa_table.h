/* Every instruction set has a row, the fastest first. setup.py has the compiler's flags. */
#if defined(IC_BUILT_avx512)
IC_ISA_ROW(avx512)
#endif
#if defined(IC_BUILT_avx2)
IC_ISA_ROW(avx2)
#endif
#if defined(IC_BUILT_sse2)
IC_ISA_ROW(sse2)
#endif
#if defined(IC_BUILT_neon)
IC_ISA_ROW(neon)
#endif
IC_ISA_ROW(scalar)
#undef IC_ISA_ROW
