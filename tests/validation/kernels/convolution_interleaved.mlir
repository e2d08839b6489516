builtin.module {
  func.func @conv(%in: memref<2x18x18x32xi8>, %w: memref<3x3x32x32xi8>, %bias: memref<32xi32>, %out: memref<2x16x16x32xi8>) attributes {liftproof.c_types = ["const int8_t[2][18][18][32]", "const int8_t[3][3][32][32]", "const int32_t[32]", "int8_t[2][16][16][32]"], liftproof.parameters = ["in", "w", "bias", "out"], liftproof.extents = [[2 : i64, 18 : i64, 18 : i64, 32 : i64], [3 : i64, 3 : i64, 32 : i64, 32 : i64], [32 : i64], [2 : i64, 16 : i64, 16 : i64, 32 : i64]], liftproof.outputs = array<i64: 3>, liftproof.source = "small.c", liftproof.target = "gemmini-16x16-int8"} {
    %c2 = arith.constant 2 : index
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c16 = arith.constant 16 : index
    %c3 = arith.constant 3 : index
    %true = arith.constant true
    %c4 = arith.constant 4 : index
    %c12 = arith.constant 12 : index
    %c32 = arith.constant 32 : index
    %c8 = arith.constant 8 : index
    %c8192 = arith.constant 8192 : index
    %c4096 = arith.constant 4096 : index
    %c512 = arith.constant 512 : index
    %c128 = arith.constant 128 : index
    gemmini.config_ld {stride = 0 : i64, block_stride = 16 : i64}
    scf.for %h = %c0 to %c128 step %c32 {
      scf.for %j = %c0 to %c32 step %c16 {
        %0 = arith.addi %h, %j : index
        %1 = gemmini.acc %0
        gemmini.mvin %bias[%j] to %1[%c16, %c16] : memref<32xi32>, !gemmini.local<acc>
      }
    }
    gemmini.config_ld {channel = 1 : i64, stride = 32 : i64, block_stride = 16 : i64}
    scf.for %h_1 = %c0 to %c4 step %c1 {
      %2 = arith.muli %h_1, %c32 : index
      %3 = gemmini.spad %2
      gemmini.mvin %in[%c0, %h_1, %c0, %c0] to %3[%c16, %c32] {channel = 1 : i64} : memref<2x18x18x32xi8>, !gemmini.local<spad>
    }
    scf.for %k = %c0 to %c32 step %c16 {
      %4 = arith.muli %k, %c2 : index
      %5 = arith.addi %4, %c8192 : index
      %6 = gemmini.spad %5
      gemmini.mvin %w[%c0, %c0, %k, %c0] to %6[%c16, %c32] {channel = 1 : i64} : memref<3x3x32x32xi8>, !gemmini.local<spad>
    }
    gemmini.config_ex
    gemmini.config_st {stride = 32 : i64}
    %7 = gemmini.none
    scf.for %g = %c0 to %c2 step %c1 {
      scf.for %ho = %c0 to %c4 step %c1 {
        %phase = arith.remsi %ho, %c2 : index
        %8 = arith.subi %ho, %c1 : index
        %9 = arith.addi %8, %c4 : index
        %10 = arith.floordivsi %9, %c4 : index
        %11 = arith.muli %10, %c4 : index
        %previous_ho = arith.subi %9, %11 : index
        %12 = arith.addi %ho, %g : index
        %13 = arith.addi %g, %10 : index
        %14 = arith.subi %13, %c1 : index
        %previous_g = arith.maxsi %14, %c0 : index
        %has_previous = arith.cmpi slt, %c0, %12 : index
        %15 = arith.addi %ho, %c1 : index
        %next_phase = arith.remsi %15, %c2 : index
        %h_start = arith.muli %previous_ho, %c4 : index
        %16 = arith.floordivsi %15, %c4 : index
        %next_g = arith.addi %g, %16 : index
        %has_next = arith.cmpi slt, %next_g, %c2 : index
        %17 = arith.muli %phase, %c512 : index
        scf.for %r = %c0 to %c3 step %c1 {
          %18 = arith.muli %r, %c3 : index
          scf.for %s = %c0 to %c3 step %c1 {
            %19 = arith.addi %r, %s : index
            %20 = arith.addi %ho, %19 : index
            %phase_1 = arith.remsi %20, %c2 : index
            %21 = arith.addi %s, %c1 : index
            %22 = arith.subi %21, %c2 : index
            %23 = arith.maxsi %22, %c0 : index
            %24 = arith.muli %23, %c3 : index
            %next_s = arith.subi %21, %24 : index
            %25 = arith.addi %r, %23 : index
            %26 = arith.subi %25, %c2 : index
            %27 = arith.maxsi %26, %c0 : index
            %28 = arith.muli %27, %c3 : index
            %next_r = arith.subi %25, %28 : index
            %next_io = arith.subi %27, %27 : index
            %29 = arith.addi %ho, %27 : index
            %30 = arith.floordivsi %29, %c4 : index
            %31 = arith.muli %30, %c4 : index
            %next_ho = arith.subi %29, %31 : index
            %next_g_1 = arith.addi %g, %30 : index
            %has_next_1 = arith.cmpi slt, %next_g_1, %c2 : index
            %32 = arith.addi %20, %c1 : index
            %next_phase_1 = arith.remsi %32, %c2 : index
            %h_start_1 = arith.muli %next_ho, %c4 : index
            %j_start = arith.muli %next_io, %c2 : index
            %33 = arith.muli %phase_1, %c4096 : index
            %34 = arith.addi %33, %c8192 : index
            scf.for %k_1 = %c0 to %c4 step %c2 {
              %35 = arith.muli %k_1, %c8 : index
              %36 = arith.addi %33, %35 : index
              %37 = gemmini.spad %36
              %38 = arith.muli %k_1, %c16 : index
              %39 = arith.addi %34, %38 : index
              scf.for %j_1 = %c0 to %c2 step %c1 {
                %40 = arith.muli %j_1, %c16 : index
                %41 = arith.addi %17, %40 : index
                %42 = gemmini.acc %41 accumulate %true
                %43 = arith.addi %39, %40 : index
                %44 = gemmini.spad %43
                gemmini.preload %44[%c16, %c16] to %42[%c16, %c16] : !gemmini.local<spad>, !gemmini.local<acc>
                gemmini.compute_preloaded %37[%c16, %c16], %7[%c16, %c16] : !gemmini.local<spad>, !gemmini.local<none>
                scf.for %h_2 = %c32 to %c128 step %c32 {
                  %45 = arith.addi %36, %h_2 : index
                  %46 = gemmini.spad %45
                  %47 = arith.addi %41, %h_2 : index
                  %48 = gemmini.acc %47 accumulate %true
                  gemmini.preload %7[%c16, %c16] to %48[%c16, %c16] : !gemmini.local<none>, !gemmini.local<acc>
                  gemmini.compute_accumulated %46[%c16, %c16], %7[%c16, %c16] : !gemmini.local<spad>, !gemmini.local<none>
                }
                %position = arith.addi %k_1, %j_1 : index
                %49 = arith.cmpi slt, %c0, %position : index
                %50 = arith.andi %has_next_1, %49 : i1
                %51 = arith.cmpi slt, %position, %c3 : index
                %turn = arith.andi %50, %51 : i1
                scf.if %turn {
                  %52 = arith.subi %position, %c1 : index
                  %53 = arith.muli %52, %c2 : index
                  %row = arith.muli %next_io, %c16 : index
                  %54 = arith.addi %row, %next_s : index
                  %55 = arith.muli %next_phase_1, %c4096 : index
                  scf.for %n = %c0 to %c2 step %c1 {
                    %56 = arith.addi %53, %n : index
                    %h_tile = arith.addi %h_start_1, %56 : index
                    %57 = arith.addi %h_tile, %next_r : index
                    %58 = arith.muli %56, %c32 : index
                    %59 = arith.addi %55, %58 : index
                    %60 = gemmini.spad %59
                    gemmini.mvin %in[%next_g_1, %57, %54, %c0] to %60[%c16, %c32] {channel = 1 : i64} : memref<2x18x18x32xi8>, !gemmini.local<spad>
                  }
                }
                %61 = arith.cmpi eq, %j_1, %c1 : index
                %turn_1 = arith.andi %has_next_1, %61 : i1
                scf.if %turn_1 {
                  %62 = arith.subi %position, %c1 : index
                  %k_tile = arith.floordivsi %62, %c2 : index
                  %inner = arith.muli %k_tile, %c16 : index
                  %col = arith.muli %j_start, %c16 : index
                  %63 = arith.muli %next_phase_1, %c4096 : index
                  %64 = arith.muli %k_tile, %c32 : index
                  %65 = arith.addi %63, %c8192 : index
                  %66 = arith.addi %65, %64 : index
                  %67 = gemmini.spad %66
                  gemmini.mvin %w[%next_r, %next_s, %inner, %col] to %67[%c16, %c32] {channel = 1 : i64} : memref<3x3x32x32xi8>, !gemmini.local<spad>
                }
              } {tile.loop = "j"}
            } {tile.loop = "k"}
            %position_1 = arith.addi %18, %s : index
            %68 = arith.cmpi slt, %position_1, %c4 : index
            %turn_2 = arith.andi %has_previous, %68 : i1
            scf.if %turn_2 {
              %h_tile_1 = arith.addi %h_start, %position_1 : index
              %69 = arith.muli %next_phase, %c512 : index
              %70 = arith.muli %position_1, %c32 : index
              %71 = arith.addi %69, %70 : index
              %72 = gemmini.acc %71
              gemmini.mvout %72[%c16, %c32] to %out[%previous_g, %h_tile_1, %c0, %c0] : !gemmini.local<acc>, memref<2x16x16x32xi8>
            }
            %73 = arith.cmpi slt, %c3, %position_1 : index
            %74 = arith.andi %has_next, %73 : i1
            %75 = arith.cmpi slt, %position_1, %c8 : index
            %turn_3 = arith.andi %74, %75 : i1
            scf.if %turn_3 {
              %76 = arith.subi %position_1, %c4 : index
              %77 = arith.muli %next_phase, %c512 : index
              %78 = arith.muli %76, %c32 : index
              %79 = arith.addi %77, %78 : index
              scf.for %n_1 = %c0 to %c32 step %c16 {
                %80 = arith.addi %79, %n_1 : index
                %81 = gemmini.acc %80
                gemmini.mvin %bias[%n_1] to %81[%c16, %c16] : memref<32xi32>, !gemmini.local<acc>
              }
            }
          } {tile.loop = "s"}
        } {tile.loop = "r"}
      } {tile.loop = "ho"}
    } {tile.loop = "g"}
    scf.for %h_3 = %c0 to %c4 step %c1 {
      %h_tile_2 = arith.addi %h_3, %c12 : index
      %82 = arith.muli %h_3, %c32 : index
      %83 = arith.addi %82, %c512 : index
      %84 = gemmini.acc %83
      gemmini.mvout %84[%c16, %c32] to %out[%c1, %h_tile_2, %c0, %c0] : !gemmini.local<acc>, memref<2x16x16x32xi8>
    }
    gemmini.fence
    func.return
  }
}