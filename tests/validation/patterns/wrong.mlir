// Rewrite rules that look right, and are not.

// A signed quotient rounds toward zero, a shift rounds down.
pdl.pattern @halve : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 2 : i32
  %attr1 = pdl.attribute = 1 : i32
  %two_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %two = pdl.result 0 of %two_op
  %r_op = pdl.operation "arith.divsi" (%x, %two : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %one_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
    %one = pdl.result 0 of %one_op
    %s_op = pdl.operation "arith.shrsi" (%x, %one : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// The product may wrap around.
pdl.pattern @multiply_divide : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %p_op = pdl.operation "arith.muli" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %p = pdl.result 0 of %p_op
  %r_op = pdl.operation "arith.divsi" (%p, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%x : !pdl.value)
  }
}

// A signed comparison is not an unsigned maximum.
pdl.pattern @select_unsigned_max : benefit(1) {
  %type = pdl.type : i1
  %type1 = pdl.type
  %x = pdl.operand : %type1
  %y = pdl.operand : %type1
  %attr0 = pdl.attribute = 4 : i64
  %gt_op = pdl.operation "arith.cmpi" (%x, %y : !pdl.value, !pdl.value) {"predicate" = %attr0} -> (%type : !pdl.type)
  %gt = pdl.result 0 of %gt_op
  %r_op = pdl.operation "arith.select" (%gt, %x, %y : !pdl.value, !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
  pdl.rewrite %r_op {
    %m_op = pdl.operation "arith.maxui" (%x, %y : !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
    %m = pdl.result 0 of %m_op
    pdl.replace %r_op with %m_op
  }
}

// Sign and zero extension do not combine like this.
pdl.pattern @extend_unsigned : benefit(1) {
  %type = pdl.type : i16
  %type1 = pdl.type : i32
  %type2 = pdl.type : i8
  %x = pdl.operand : %type2
  %e_op = pdl.operation "arith.extsi" (%x : !pdl.value) -> (%type : !pdl.type)
  %e = pdl.result 0 of %e_op
  %r_op = pdl.operation "arith.extui" (%e : !pdl.value) -> (%type1 : !pdl.type)
  pdl.rewrite %r_op {
    %s_op = pdl.operation "arith.extsi" (%x : !pdl.value) -> (%type1 : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Bounds that cross: the last one wins.
pdl.pattern @clamp_crossed : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = -128 : i32
  %attr1 = pdl.attribute = 127 : i32
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

// The difference may wrap around.
pdl.pattern @compare_difference : benefit(1) {
  %type = pdl.type : i1
  %type1 = pdl.type : i32
  %x = pdl.operand : %type1
  %y = pdl.operand : %type1
  %attr0 = pdl.attribute = 2 : i64
  %attr1 = pdl.attribute = 0 : i32
  %r_op = pdl.operation "arith.cmpi" (%x, %y : !pdl.value, !pdl.value) {"predicate" = %attr0} -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %d_op = pdl.operation "arith.subi" (%x, %y : !pdl.value, !pdl.value) -> (%type1 : !pdl.type)
    %d = pdl.result 0 of %d_op
    %zero_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type1 : !pdl.type)
    %zero = pdl.result 0 of %zero_op
    %s_op = pdl.operation "arith.cmpi" (%d, %zero : !pdl.value, !pdl.value) {"predicate" = %attr0} -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// The quotient is undefined where the choice did not need it.
pdl.pattern @eager_division : benefit(1) {
  %type = pdl.type : i32
  %type1 = pdl.type : i1
  %c = pdl.operand : %type1
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %r_op = pdl.operation "arith.select" (%c, %x, %y : !pdl.value, !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %q_op = pdl.operation "arith.divui" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %q = pdl.result 0 of %q_op
    %p_op = pdl.operation "arith.muli" (%q, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %p = pdl.result 0 of %p_op
    %m_op = pdl.operation "arith.remui" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %m = pdl.result 0 of %m_op
    %t_op = pdl.operation "arith.addi" (%p, %m : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %t = pdl.result 0 of %t_op
    %s_op = pdl.operation "arith.select" (%c, %t, %y : !pdl.value, !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// A shift by the width is poison.
pdl.pattern @large_shift : benefit(1) {
  %type = pdl.type : i32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 0 : i32
  %attr1 = pdl.attribute = 32 : i32
  %zero_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %zero = pdl.result 0 of %zero_op
  %r_op = pdl.operation "arith.andi" (%x, %zero : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %w_op = pdl.operation "arith.constant" {"value" = %attr1} -> (%type : !pdl.type)
    %w = pdl.result 0 of %w_op
    %s_op = pdl.operation "arith.shli" (%x, %w : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %s = pdl.result 0 of %s_op
    pdl.replace %r_op with %s_op
  }
}

// Sums of floats round.
pdl.pattern @reassociate_float : benefit(1) {
  %type = pdl.type
  %x = pdl.operand : %type
  %y = pdl.operand : %type
  %z = pdl.operand : %type
  %s_op = pdl.operation "arith.addf" (%x, %y : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %s = pdl.result 0 of %s_op
  %r_op = pdl.operation "arith.addf" (%s, %z : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %t_op = pdl.operation "arith.addf" (%y, %z : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %t = pdl.result 0 of %t_op
    %q_op = pdl.operation "arith.addf" (%x, %t : !pdl.value, !pdl.value) -> (%type : !pdl.type)
    %q = pdl.result 0 of %q_op
    pdl.replace %r_op with %q_op
  }
}

// Infinity minus infinity is not zero.
pdl.pattern @float_sub_self : benefit(1) {
  %type = pdl.type : f32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 0.0 : f32
  %r_op = pdl.operation "arith.subf" (%x, %x : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    %zero_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
    %zero = pdl.result 0 of %zero_op
    pdl.replace %r_op with %zero_op
  }
}

// The sum of -0.0 and 0.0 is 0.0.
pdl.pattern @add_float_zero : benefit(1) {
  %type = pdl.type : f32
  %x = pdl.operand : %type
  %attr0 = pdl.attribute = 0.0 : f32
  %zero_op = pdl.operation "arith.constant" {"value" = %attr0} -> (%type : !pdl.type)
  %zero = pdl.result 0 of %zero_op
  %r_op = pdl.operation "arith.addf" (%x, %zero : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  pdl.rewrite %r_op {
    pdl.replace %r_op with (%x : !pdl.value)
  }
}

// The second block of a wide move lands elsewhere.
pdl.pattern @merge_moves_apart : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : !gemmini.local<spad>
  %type2 = pdl.type : memref<64x64xi8>
  %array = pdl.operand : %type2
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 32 : i64
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

// Both moves may write the same rows.
pdl.pattern @swap_moves : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : !gemmini.local<spad>
  %type2 = pdl.type : memref<64x64xi8>
  %array = pdl.operand : %type2
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %other = pdl.operand : %type
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %attr2 = pdl.attribute = 16 : index
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %at_op = pdl.operation "gemmini.spad" (%row : !pdl.value) -> (%type1 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %at2_op = pdl.operation "gemmini.spad" (%other : !pdl.value) -> (%type1 : !pdl.type)
  %at2 = pdl.result 0 of %at2_op
  %first_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  %second_op = pdl.operation "gemmini.mvin" (%array, %j, %i, %at2, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    %a_op = pdl.operation "gemmini.mvin" (%array, %j, %i, %at2, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
    %b_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
    pdl.erase %first_op
    pdl.erase %second_op
  }
}

// The second configuration has another stride.
pdl.pattern @needed_config : benefit(1) {
  %attr0 = pdl.attribute = 64 : i64
  %attr1 = pdl.attribute = 16 : i64
  %attr2 = pdl.attribute = 32 : i64
  %first_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %second_op = pdl.operation "gemmini.config_ld" {"stride" = %attr2, "block_stride" = %attr1}
  pdl.apply_native_constraint "consecutive"(%first_op, %second_op : !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    pdl.erase %second_op
  }
}

// The second move is one row shorter.
pdl.pattern @dead_move_fewer : benefit(1) {
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
  %attr3 = pdl.attribute = 1 : index
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %one_op = pdl.operation "arith.constant" {"value" = %attr3} -> (%type : !pdl.type)
  %one = pdl.result 0 of %one_op
  %at_op = pdl.operation "gemmini.spad" (%row : !pdl.value) -> (%type1 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  %less_op = pdl.operation "arith.subi" (%rows, %one : !pdl.value, !pdl.value) -> (%type : !pdl.type)
  %less = pdl.result 0 of %less_op
  %second_op = pdl.operation "gemmini.mvin" (%array, %i2, %j2, %at, %less, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op, %second_op : !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %second_op {
    pdl.erase %first_op
  }
}

// An accumulating move is not a plain one.
pdl.pattern @add_is_set : benefit(1) {
  %type = pdl.type : index
  %type1 = pdl.type : i1
  %type2 = pdl.type : !gemmini.local<acc>
  %type3 = pdl.type : memref<64x64xi32>
  %array = pdl.operand : %type3
  %i = pdl.operand : %type
  %j = pdl.operand : %type
  %row = pdl.operand : %type
  %rows = pdl.operand : %type
  %attr0 = pdl.attribute = 256 : i64
  %attr1 = pdl.attribute = 16 : i64
  %attr2 = pdl.attribute = 16 : index
  %attr3 = pdl.attribute = true
  %config_op = pdl.operation "gemmini.config_ld" {"stride" = %attr0, "block_stride" = %attr1}
  %dim_op = pdl.operation "arith.constant" {"value" = %attr2} -> (%type : !pdl.type)
  %dim = pdl.result 0 of %dim_op
  %t_op = pdl.operation "arith.constant" {"value" = %attr3} -> (%type1 : !pdl.type)
  %t = pdl.result 0 of %t_op
  %at_op = pdl.operation "gemmini.acc" (%row, %t : !pdl.value, !pdl.value) -> (%type2 : !pdl.type)
  %at = pdl.result 0 of %at_op
  %first_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %at, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
  pdl.apply_native_constraint "consecutive"(%config_op, %first_op : !pdl.operation, !pdl.operation)
  pdl.rewrite %first_op {
    %plain_op = pdl.operation "gemmini.acc" (%row : !pdl.value) -> (%type2 : !pdl.type)
    %plain = pdl.result 0 of %plain_op
    %n_op = pdl.operation "gemmini.mvin" (%array, %i, %j, %plain, %rows, %dim : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value)
    pdl.replace %first_op with %n_op
  }
}
