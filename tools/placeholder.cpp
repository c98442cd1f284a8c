namespace tollgate {}
