// Rewrite rules that hold for all operands.

// A product with two is a sum.
pdl.pattern @double : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 2 : i32
  %two_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %two = pdl.result 0 of %two_op
  %r_op = pdl.operation "arith.muli" (%x, %two : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %s_op = pdl.operation "arith.addi" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// What is added and subtracted again, in integers of any width.
pdl.pattern @add_sub : benefit(1) {
  %type = pdl.type
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %s_op = pdl.operation "arith.addi" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %s = pdl.result 0 of %s_op
  %r_op = pdl.operation "arith.subi" (%s, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%x : !pdl.value)
  }
}

// A difference of equal integers.
pdl.pattern @sub_self : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 0 : i32
  %r_op = pdl.operation "arith.subi" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %zero_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
    %zero = pdl.result 0 of %zero_op
    pdl.replace %r_op with %zero_op
  }
}

// Truncation in two steps.
pdl.pattern @double_trunc : benefit(1) {
  %type = pdl.type : i16
  %type1 = pdl.type : i8
  %type2 = pdl.type : i32
  %x = pdl.operand : %type2
  %t_op = pdl.operation "arith.trunci" (%x : !pdl.value) -> (%type : !pdl.type)
  %t = pdl.result 0 of %t_op
  %r_op = pdl.operation "arith.trunci" (%t : !pdl.value) -> (%type1 : !pdl.type)
  pdl.rewrite %r_op {
    %s_op = pdl.operation "arith.trunci" (%x : !pdl.value) -> (%type1 : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// A comparison and a choice are a maximum, for integers of any width.
pdl.pattern @select_max : benefit(1) {
  %type = pdl.type : i1
  %type1 = pdl.type
  %x = pdl.operand : %type1
  %y = pdl.operand : %type1
  %attr0 = pdl.attribute = 4 : i64
  %gt_op = pdl.operation "arith.cmpi" (%x, %y : !pdl.value, !pdl.value) {"predicate" = %attr0} -> (%type : !pdl.type)
  %gt = pdl.result 0 of %gt_op
  %r_op = pdl.operation "arith.select" (%gt, %x, %y : !pdl.value, !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
  pdl.rewrite %r_op {
    %m_op = pdl.operation "arith.maxsi" (%x, %y : !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
    %m = pdl.result 0 of %m_op
    pdl.replace %r_op with %m_op
  }
}

// A minimum with what is in it already.
pdl.pattern @min_chain : benefit(1) {
  %type = pdl.type
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %m_op = pdl.operation "arith.minsi" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %m = pdl.result 0 of %m_op
  %r_op = pdl.operation "arith.minsi" (%m, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%m : !pdl.value)
  }
}

// Saturation from below and from above, in either order.
pdl.pattern @clamp_order : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 127 : i32
  %attr1 = pdl.attribute = -128 : i32
  %high_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %high = pdl.result 0 of %high_op
  %low_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
  %low = pdl.result 0 of %low_op
  %m_op = pdl.operation "arith.minsi" (%x, %high : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %m = pdl.result 0 of %m_op
  %r_op = pdl.operation "arith.maxsi" (%m, %low : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %n_op = pdl.operation "arith.maxsi" (%x, %low : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %n = pdl.result 0 of %n_op
    %s_op = pdl.operation "arith.minsi" (%n, %high : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// A shift is a product with a power of two.
pdl.pattern @shift_multiply : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 3 : i32
  %attr1 = pdl.attribute = 8 : i32
  %three_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %three = pdl.result 0 of %three_op
  %r_op = pdl.operation "arith.shli" (%x, %three : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %eight_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
    %eight = pdl.result 0 of %eight_op
    %s_op = pdl.operation "arith.muli" (%x, %eight : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// An unsigned quotient by two is a logical shift.
pdl.pattern @unsigned_halve : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 2 : i32
  %attr1 = pdl.attribute = 1 : i32
  %two_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %two = pdl.result 0 of %two_op
  %r_op = pdl.operation "arith.divui" (%x, %two : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %one_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
    %one = pdl.result 0 of %one_op
    %s_op = pdl.operation "arith.shrui" (%x, %one : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// An unsigned remainder by a power of two is a mask.
pdl.pattern @unsigned_mask : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 16 : i32
  %attr1 = pdl.attribute = 15 : i32
  %m_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %m = pdl.result 0 of %m_op
  %r_op = pdl.operation "arith.remui" (%x, %m : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %n_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
    %n = pdl.result 0 of %n_op
    %s_op = pdl.operation "arith.andi" (%x, %n : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Truncation takes back what was extended.
pdl.pattern @extend_truncate : benefit(1) {
  %type = pdl.type : i32
  %type1 = pdl.type : i8
  %x = pdl.operand : %type1
  %e_op = pdl.operation "arith.extsi" (%x : !pdl.value) -> (%type : !pdl.type)
  %e = pdl.result 0 of %e_op
  %r_op = pdl.operation "arith.trunci" (%e : !pdl.value) -> (%type1 : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%x : !pdl.value)
  }
}

// A product of two bytes fits 16 bits.
pdl.pattern @narrow_product : benefit(1) {
  %type = pdl.type : i32
  %type1 = pdl.type : i16
  %type2 = pdl.type : i8
  %x = pdl.operand : %type2
  %y = pdl.operand : %type2
  %a_op = pdl.operation "arith.extsi" (%x : !pdl.value) -> (%type : !pdl.type)
  %a = pdl.result 0 of %a_op
  %b_op = pdl.operation "arith.extsi" (%y : !pdl.value) -> (%type : !pdl.type)
  %b = pdl.result 0 of %b_op
  %r_op = pdl.operation "arith.muli" (%a, %b : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %na_op = pdl.operation "arith.extsi" (%x : !pdl.value) -> (%type1 : !pdl.type)
    %na = pdl.result 0 of %na_op
    %nb_op = pdl.operation "arith.extsi" (%y : !pdl.value) -> (%type1 : !pdl.type)
    %nb = pdl.result 0 of %nb_op
    %p_op = pdl.operation "arith.muli" (%na, %nb : !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
    %p = pdl.result 0 of %p_op
    %s_op = pdl.operation "arith.extsi" (%p : !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Two changes of sign, of floats of any width.
pdl.pattern @negate_twice : benefit(1) {
  %type = pdl.type
  %x = pdl.operand : %type
  %n_op = pdl.operation "arith.negf" (%x : !pdl.value) -> (%type : !pdl.type)
  %n = pdl.result 0 of %n_op
  %r_op = pdl.operation "arith.negf" (%n : !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%x : !pdl.value)
  }
}

// A sum of two floats does not depend on their order.
pdl.pattern @commute_float_sum : benefit(1) {
  %type = pdl.type : f32
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %r_op = pdl.operation "arith.addf" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %s_op = pdl.operation "arith.addf" (%y, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Doubling is exact.
pdl.pattern @double_float : benefit(1) {
  %type = pdl.type : f32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 2.0 : f32
  %two_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %two = pdl.result 0 of %two_op
  %r_op = pdl.operation "arith.mulf" (%x, %two : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %s_op = pdl.operation "arith.addf" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Two moves of neighbouring blocks are one wide move.
pdl.pattern @merge_moves : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : !gemmini.local<spad>
  %type2 = pdl.type : memref<64x64xi8>
  %array = pdl.operand : %type2
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %attr2 = pdl.attribute = 16 : index
  %attr3 = pdl.attribute = 32 : index
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %at_op = pdl.operation "gemmini.spad" (%row : !pdl.value) -> (%type1 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  %next_row_op = pdl.operation "arith.addi" (%row, %dim : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %next_row = pdl.result 0 of %next_row_op
  %next_j_op = pdl.operation "arith.addi" (%j, %dim : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %next_j = pdl.result 0 of %next_j_op
  %next_at_op = pdl.operation "gemmini.spad" (%next_row : !pdl.value) -> (%type1 : !pdl.type)
  %next_at = pdl.result 0 of %next_at_op
  %second_op = pdl.operation "gemmini.mvin" (%array, %i, %next_j, %next_at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    %wide_op = pdl.operation "arith.constant" {"value" = %attr3} -> (%type : !pdl.type)
    %wide = pdl.result 0 of %wide_op
    %both_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %wide : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
    pdl.erase %first_op
    pdl.replace %second_op with %both_op
  }
}

// A configuration that repeats the one before it.
pdl.pattern @redundant_config : benefit(1) {
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %first_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %second_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  pdl.apply_native_constraint "consecutive"(%first_op, %second_op : !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    pdl.erase %second_op
  }
}

// A move whose rows are overwritten at once.
pdl.pattern @dead_move : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : !gemmini.local<spad>
  %type2 = pdl.type : memref<64x64xi8>
  %array = pdl.operand : %type2
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %i2 = pdl.operand : %type
  %j2 = pdl.operand : %type
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %attr2 = pdl.attribute = 16 : index
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %at_op = pdl.operation "gemmini.spad" (%row : !pdl.value) -> (%type1 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  %second_op = pdl.operation "gemmini.mvin" (%array, %i2, %j2, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    pdl.erase %first_op
  }
}

// Two stores of neighbouring blocks of accumulators.
pdl.pattern @merge_stores : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : !gemmini.local<acc>
  %type2 = pdl.type : memref<64x64xi8>
  %array = pdl.operand : %type2
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : index
  %attr2 = pdl.attribute = 32 : index
  %config_op = pdl.operation "gemmini.config_st" {"stride" = %attr0}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %at_op = pdl.operation "gemmini.acc" (%row : !pdl.value) -> (%type1 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvout" (%at, %rows, %dim, %array, %i, %j : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  %next_row_op = pdl.operation "arith.addi" (%row, %dim : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %next_row = pdl.result 0 of %next_row_op
  %next_j_op = pdl.operation "arith.addi" (%j, %dim : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %next_j = pdl.result 0 of %next_j_op
  %next_at_op = pdl.operation "gemmini.acc" (%next_row : !pdl.value) -> (%type1 : !pdl.type)
  %next_at = pdl.result 0 of %next_at_op
  %second_op = pdl.operation "gemmini.mvout" (%next_at, %rows, %dim, %array, %i, %next_j : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    %wide_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
    %wide = pdl.result 0 of %wide_op
    %both_op = pdl.operation "gemmini.mvout" (%at, %rows, %wide, %array, %i, %j : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
    pdl.erase %first_op
    pdl.replace %second_op with %both_op
  }
}

// Zeros once are enough.
pdl.pattern @zeros_twice : benefit(1) {
  %type = pdl.type : !gemmini.local<spad>
  %type1 = pdl.type : index
  %row = pdl.operand : %type1
  %rows = pdl.operand : %type1
  %cols = pdl.operand : %type1
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %at_op = pdl.operation "gemmini.spad" (%row : !pdl.value) -> (%type : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvin_zeros" (%at, %rows, %cols : !pdl.value, !pdl.value, !pdl.value)
  %second_op = pdl.operation "gemmini.mvin_zeros" (%at, %rows, %cols : !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    pdl.erase %second_op
  }
}
